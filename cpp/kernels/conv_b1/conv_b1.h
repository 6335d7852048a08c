// Binary convolution: activations {0, 1} (bit 1 = 1), weights {-1, +1} (bit 1 = +1).
//
//   acc[o][y][x] = sum over the window of a * (2v - 1) = 2 * popcount(a & v) - ones[y][x]
//   ones[y][x]   = sum over the window of popcount(a), the same for every output channel
//
// Input: u64 words (padded_h, padded_w, words), channel c of a pixel in bit c % 64 of word c / 64,
// low bit first, padding bits and border words 0 (PadWords makes it): zero padding then adds
// exactly 0. Weights: u64 [ceil(outputs / kBinaryBlock)][kernel_h][kernel_w][words][kBinaryBlock]:
// the words of 8 output channels fill one 512-bit vector. Padding bits and absent outputs may be
// anything: the activation's zeros hide the former, the latter are not written.
//
// Run WindowOnes once per image, then ConvB1 on any range of outputs (`weights` by blocks,
// `output`) or of output rows (`input + y0 * stride_h * padded_w * words`, `ones`, `output`). A
// linear layer is the 1x1 case with the images of the batch as pixels of one row.
//
// Outputs: acc[o * output_stride + y * output_row_width + x], ones[y * out_width + x]; exactly
// these are written. No alignment is needed.
#pragma once

#include <cstdint>

#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kBinaryBlock = 8;

// The geometry both ops share.
struct BinaryWindow {
  std::int64_t padded_w, words;  // of the input
  std::int64_t kernel_h, kernel_w;
  std::int64_t stride_h, stride_w;
  std::int64_t dilation_h, dilation_w;
  std::int64_t out_height, out_width;
};

struct WindowOnesArgs {
  const std::uint64_t* input;
  BinaryWindow window;
  std::int32_t* ones;
};

struct ConvB1Args {
  const std::uint64_t* input;
  BinaryWindow window;
  const std::uint64_t* weights;
  const std::int32_t* ones;
  std::int64_t outputs;
  std::int32_t* output;
  std::int64_t output_stride;
  std::int64_t output_row_width;
};

// The same sums as a term of a float layer on planes (BAP's binary branch):
//
//   y[o * output_stride + y * output_row_width + x] = acc * scale[o] [+ residual at its own
//   strides]
//
// Product and sum are rounded alone, as in unit_b1.h.
struct PlanesB1Args {
  const std::uint64_t* input;
  BinaryWindow window;
  const std::uint64_t* weights;
  const std::int32_t* ones;
  std::int64_t outputs;
  const float* scale;
  const float* residual;  // or nullptr: none
  std::int64_t residual_stride, residual_row_width;
  float* output;
  std::int64_t output_stride;
  std::int64_t output_row_width;
};

NIWAKI_OP(WindowOnes, WindowOnesArgs);
NIWAKI_OP(PlanesB1, PlanesB1Args);
NIWAKI_OP(ConvB1, ConvB1Args);

}  // namespace niwaki::kernels
