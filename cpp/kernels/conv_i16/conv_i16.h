// Integer convolution on flat padded planes: activations u8 or s8 widened to int16, weights s8.
//
//   sparse:  acc[o][p] = sum over pairs e of o, k in {0, 1}, of value_e[k] * input[offset_e[k] + p]
//   dense:   acc[o][p] = sum over taps t of weights[o][t] * input[offsets[t] + p]
//
// Taps come in pairs, because the vector instruction multiplies int16 by int16 and adds two
// neighbours to an int32 lane. An odd count is completed by a pair whose second value is 0 and
// whose second offset repeats the first.
//
// Dense: `offsets` and the weights' taps are padded to an even count in the same way; weights are
// laid out [ceil(outputs / kDenseBlock)][pairs][kDenseBlock][2], zeros behind the last output.
//
// Assumptions: kReadsPastEnd and kPaddedOutput as in conv_f32.h. kSumsFitS32: no partial sum leaves
// int32 (65,000 taps of 255 * 127 do). Results are exact, equal in every kernel.
#pragma once

#include <cstdint>

#include "common/plane_layout.h"
#include "common/table.h"
#include "conv_f32/conv_f32.h"  // kDenseBlock

namespace niwaki::kernels {

struct SparsePairI16 {
  std::int32_t offset[2];
  std::int16_t value[2];
};

struct ConvSparseI16Args {
  const std::int16_t* input;
  const SparsePairI16* entries;
  const std::int32_t* starts;  // outputs + 1 indices into entries
  std::int64_t outputs;
  std::int64_t pixels;
  std::int32_t* output;
  std::int64_t output_stride;
};

struct ConvDenseI16Args {
  const std::int16_t* input;
  const std::int32_t* offsets;  // 2 * pairs
  std::int64_t pairs;
  const std::int16_t* weights;
  std::int64_t outputs;
  std::int64_t pixels;
  std::int32_t* output;
  std::int64_t output_stride;
};

NIWAKI_OP(ConvSparseI16, ConvSparseI16Args);
NIWAKI_OP(ConvDenseI16, ConvDenseI16Args);

}  // namespace niwaki::kernels
