// Linear layers: y[n][o] = sum over k of weights[o][k] * x[n][k], accumulators only.
//
//   LinearDenseF32   weights f32 (outputs, inputs), x f32
//   LinearSparseF32  entries (column, value) of each output row, x f32
//   LinearDenseI16   weights s8 (outputs, inputs), x int16 (u8 or s8 widened), accumulators s32
//   LinearSparseI16  entries (column, value s8), x int16, accumulators s32
//
// A binary linear layer is ConvB1 with a 1x1 window.
// Assumptions: nothing is read past any end. kSumsFitS32 as in conv_i16.h. Integers are exact;
// float sums may be taken in another order.
#pragma once

#include <cstdint>

#include "common/table.h"

namespace niwaki::kernels {

template <class X, class W, class Acc>
struct LinearDenseArgs {
  const X* input;
  std::int64_t images;
  std::int64_t input_stride;  // elements from one image's x to the next
  std::int64_t inputs;        // K
  const W* weights;
  std::int64_t outputs;
  Acc* output;
  std::int64_t output_stride;  // elements from one image's y to the next
};

template <class X, class W, class Acc>
struct LinearSparseArgs {
  const X* input;
  std::int64_t images;
  std::int64_t input_stride;
  const std::int32_t* columns;
  const W* values;
  const std::int32_t* starts;  // outputs + 1 indices into columns and values
  std::int64_t outputs;
  Acc* output;
  std::int64_t output_stride;
};

using LinearDenseF32Args = LinearDenseArgs<float, float, float>;
using LinearDenseI16Args = LinearDenseArgs<std::int16_t, std::int8_t, std::int32_t>;
using LinearSparseF32Args = LinearSparseArgs<float, float, float>;
using LinearSparseI16Args = LinearSparseArgs<std::int16_t, std::int8_t, std::int32_t>;

NIWAKI_OP(LinearDenseF32, LinearDenseF32Args);
NIWAKI_OP(LinearDenseI16, LinearDenseI16Args);
NIWAKI_OP(LinearSparseF32, LinearSparseF32Args);
NIWAKI_OP(LinearSparseI16, LinearSparseI16Args);

}  // namespace niwaki::kernels
