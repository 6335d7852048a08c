// Planes to bits and back.
//
//   Threshold*:  bit(c, p) = sign[c] * x[c * pixels + p] >= level[c]        (NaN gives 0)
//   UnpackBits*: y[c * pixels + p] = bit(c, p), as 0 or 1
//
// Words: pixel-major, words[p * ceil(C / 64) + c / 64], bit c % 64, low bit first, padding bits 0.
// sign is -1 or +1; level is f32 for f32 input, s32 for u8 and s8 input.
#pragma once

#include <cstdint>

#include "common/planes.h"
#include "common/table.h"

namespace niwaki::kernels {

template <class X, class Level>
struct ThresholdArgs {
  const X* input;
  std::int64_t channels;
  std::int64_t pixels;
  const std::int8_t* sign;
  const Level* level;
  std::uint64_t* words;
};

// Of a float map on padded planes (planes.h); words of the pixels alone, as above.
struct ThresholdPlanesF32Args {
  const float* input;  // origin
  Planes planes;
  const std::int8_t* sign;
  const float* level;
  std::uint64_t* words;
};

template <class Y>
struct UnpackBitsArgs {
  const std::uint64_t* words;
  std::int64_t channels;
  std::int64_t pixels;
  Y* output;
};

using ThresholdF32Args = ThresholdArgs<float, float>;
using ThresholdU8Args = ThresholdArgs<std::uint8_t, std::int32_t>;
using ThresholdS8Args = ThresholdArgs<std::int8_t, std::int32_t>;
using UnpackBitsF32Args = UnpackBitsArgs<float>;
using UnpackBitsU8Args = UnpackBitsArgs<std::uint8_t>;

NIWAKI_OP(ThresholdF32, ThresholdF32Args);
NIWAKI_OP(ThresholdPlanesF32, ThresholdPlanesF32Args);
NIWAKI_OP(ThresholdU8, ThresholdU8Args);
NIWAKI_OP(ThresholdS8, ThresholdS8Args);
NIWAKI_OP(UnpackBitsF32, UnpackBitsF32Args);
NIWAKI_OP(UnpackBitsU8, UnpackBitsU8Args);

}  // namespace niwaki::kernels
