// Float convolution on flat padded planes (common/plane_layout.h), sparse and dense.
//
//   sparse:  acc[o][p] = sum over e in [starts[o], starts[o + 1]) of value_e * input[offset_e + p]
//   dense:   acc[o][p] = sum over taps t of weights[o][t] * input[offsets[t] + p]
//
// for p in [0, pixels). An offset is tap_offset(layout, c, i, j); the order of entries and taps is
// the caller's choice, and sums follow it. Depthwise and grouped convolutions are streams as well:
// their entries name the channels of the group only.
//
// Dense weights are laid out [ceil(outputs / kDenseBlock)][taps][kDenseBlock], zeros behind the
// last output: kDenseBlock outputs share each loaded vector of activations.
//
// To share the work: a range of pixels is `input + p0`, `output + p0` (p0 a multiple of
// kPixelBlock), a range of outputs is `starts + o0` (or the weights' block) and `output + o0 *
// output_stride`.
//
// Assumptions: kReadsPastEnd: input is readable to the next multiple of kPixelBlock behind the last
// pixel of every tap (make_plane_layout sees to it). kPaddedOutput: output_stride >= pixels rounded
// up to kPixelBlock, and may be written up to there. No alignment is needed; 64 bytes are faster.
#pragma once

#include <cstdint>

#include "common/plane_layout.h"
#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kDenseBlock = 4;

struct SparseEntryF32 {
  std::int32_t offset;
  float value;
};

struct ConvSparseF32Args {
  const float* input;
  const SparseEntryF32* entries;
  const std::int32_t* starts;  // outputs + 1 indices into entries
  std::int64_t outputs;
  std::int64_t pixels;
  float* output;
  std::int64_t output_stride;
};

struct ConvDenseF32Args {
  const float* input;
  const std::int32_t* offsets;
  std::int64_t taps;
  const float* weights;
  std::int64_t outputs;
  std::int64_t pixels;
  float* output;
  std::int64_t output_stride;
};

NIWAKI_OP(ConvSparseF32, ConvSparseF32Args);
NIWAKI_OP(ConvDenseF32, ConvDenseF32Args);

}  // namespace niwaki::kernels
