// Pools over compact planes (C, H, W), and the conversions at the two ends of an integer network.
//
//   MaxPool*:      max over the window's pixels inside the image (NaN wins)
//   AveragePoolF32: sum / count; count = pixels inside the image, or, with count_include_pad,
//   inside the
//                  image and its pads (a window beyond the pads, from ceil_mode, counts what lies
//                  inside)
//   SumPoolU8, S8: sum over the window's pixels inside the image, s32
//   QuantizeS8:    clip(round_half_even(x * inverse_scale), -128, 127), product in f32, NaN gives 0
//   Dequantize*:   f32(x) * scale
//
// The caller fixes out_height and out_width (floor or ceil mode): every window must touch the
// image, or a maximum is the lowest value and an average is 0. A global pool has the image as its
// window.
#pragma once

#include <cstdint>

#include "common/plane_layout.h"
#include "common/table.h"

namespace niwaki::kernels {

template <class X, class Y>
struct PoolArgs {
  const X* input;
  std::int64_t channels, height, width;
  Window window;
  std::int64_t out_height, out_width;
  bool count_include_pad;  // averages only
  Y* output;
};

template <class X, class Y>
struct ConvertArgs {
  const X* input;
  std::int64_t count;
  float scale;
  Y* output;
};

using MaxPoolF32Args = PoolArgs<float, float>;
using MaxPoolU8Args = PoolArgs<std::uint8_t, std::uint8_t>;
using MaxPoolS8Args = PoolArgs<std::int8_t, std::int8_t>;
using AveragePoolF32Args = PoolArgs<float, float>;
using SumPoolU8Args = PoolArgs<std::uint8_t, std::int32_t>;
using SumPoolS8Args = PoolArgs<std::int8_t, std::int32_t>;
using QuantizeS8Args = ConvertArgs<float, std::int8_t>;
using DequantizeS32Args = ConvertArgs<std::int32_t, float>;
using DequantizeU8Args = ConvertArgs<std::uint8_t, float>;
using DequantizeS8Args = ConvertArgs<std::int8_t, float>;

NIWAKI_OP(MaxPoolF32, MaxPoolF32Args);
NIWAKI_OP(MaxPoolU8, MaxPoolU8Args);
NIWAKI_OP(MaxPoolS8, MaxPoolS8Args);
NIWAKI_OP(AveragePoolF32, AveragePoolF32Args);
NIWAKI_OP(SumPoolU8, SumPoolU8Args);
NIWAKI_OP(SumPoolS8, SumPoolS8Args);
NIWAKI_OP(QuantizeS8, QuantizeS8Args);
NIWAKI_OP(DequantizeS32, DequantizeS32Args);
NIWAKI_OP(DequantizeU8, DequantizeU8Args);
NIWAKI_OP(DequantizeS8, DequantizeS8Args);

}  // namespace niwaki::kernels
