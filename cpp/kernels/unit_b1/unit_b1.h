// A binary convolution and what follows it, in one pass over channels-last values: its sums never
// leave the registers.
//
//   acc[p][o] = sum over the window of a * (2v - 1)                  (conv_b1.h has the bits)
//
//   UnitB1:   y[p][o]   = (acc * scale[o] + bias[o]) [+ residual[p][o]] [, at least 0]
//             bit[p][o] = sign[o] * y[p][o] >= level[o]              (NaN gives 0)
//   ChainB1:  bit[p][o] = sign[o] * acc[p][o] >= limit[o]
//
// The product and each sum are rounded on their own (no fused multiply-add, in no instruction set):
// all kernels give the same bits, which are those of the plain float32 expression. Each acc must
// fit 30 bits.
//
// Pixel p = y * out_width + x. Floats: y and residual at [p * outputs + o]. Words: as conv_b1.h,
// ceil(outputs / 64) a pixel, padding bits 0. A channels-last pixel's outputs lie side by side, so
// a vector of sums meets its parameters, its shortcut and its place in the word without a shuffle.
//
// Assumptions: scale, bias, sign, level and limit are readable up to the next multiple of
// kUnitParameters outputs. `output` may be `residual`. `input`, `window`, `weights` and `ones` as
// conv_b1.h has them; a run of output rows is a call with `window.out_height` rows and all pointers
// moved to the first one.
#pragma once

#include <cstdint>

#include "common/table.h"
#include "conv_b1/conv_b1.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kUnitParameters = 16;

struct UnitB1Args {
  const std::uint64_t* input;
  BinaryWindow window;
  const std::uint64_t* weights;
  const std::int32_t* ones;
  std::int64_t outputs;
  const float* scale;
  const float* bias;
  const float* residual;  // or nullptr: none
  bool relu;
  float* output;         // or nullptr: bits only
  const float* sign;     // -1 or +1
  const float* level;    // sign and level: read where `words` is given
  std::uint64_t* words;  // or nullptr: floats only
};

struct ChainB1Args {
  const std::uint64_t* input;
  BinaryWindow window;
  const std::uint64_t* weights;
  const std::int32_t* ones;
  std::int64_t outputs;
  const std::int32_t* sign;  // -1 or +1
  const std::int32_t* limit;
  std::uint64_t* words;
};

NIWAKI_OP(UnitB1, UnitB1Args);
NIWAKI_OP(ChainB1, ChainB1Args);

}  // namespace niwaki::kernels
