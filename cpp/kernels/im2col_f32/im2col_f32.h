// Convolution as im2col and a matrix product: the baseline that CPO is measured against.
//
//   Im2colF32  panel[t][k] = input[taps[t] + source of pixel k], for kPanelPixels output pixels
//   GemmF32    sum[o][k] = sum over t of weights[o][t] * panel[t][k], stored with its epilogue
//
// Assumptions: runs cover pixels in rising order; pixels in no run keep what the panel held (pad
// columns, or behind the last pixel: the store drops them). Weights are
// [ceil(outputs / kGemmOutputs)][taps][kGemmOutputs], zeros behind the last output. Sums are taken
// in the order of the taps. first_pixel is a multiple of kPanelPixels, below store.pixels.
#pragma once

#include <cstdint>

#include "common/store.h"
#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kPanelPixels = 48;
inline constexpr std::int64_t kGemmOutputs = 8;

// Neighbouring output pixels of one row.
struct PixelRun {
  std::int64_t from;   // element that tap 0 reads for the first pixel
  std::int64_t first;  // pixel of the panel
  std::int64_t count;
};

struct Im2colF32Args {
  const float* input;
  const std::int32_t* taps;
  std::int64_t tap_count;
  const PixelRun* runs;
  std::int64_t run_count;
  std::int64_t step;  // elements from a pixel's source to the next one's
  float* panel;       // [tap_count][kPanelPixels]
};

struct GemmF32Args {
  const float* panel;
  std::int64_t tap_count;
  const float* weights;
  std::int64_t outputs;
  std::int64_t first_pixel;
  float* output;  // pixel 0 of the first output channel
  std::int64_t output_plane;
  const float* bias;      // or nullptr
  const float* residual;  // as `output`, or nullptr
  ConvStore store;        // residual_plane, activation, mask, pixels
};

NIWAKI_OP(Im2colF32, Im2colF32Args);
NIWAKI_OP(GemmF32, GemmF32Args);

}  // namespace niwaki::kernels
