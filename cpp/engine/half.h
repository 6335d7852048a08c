// IEEE 754 half precision: how a file may hold float weights in 16 bits.
#pragma once

#include <bit>
#include <cstdint>

namespace niwaki {

// Exact: every half is a float. Infinities and NaNs stay what they are.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t fraction = half & 0x3ffu;
  if (exponent == 0) {  // zeros and subnormals: fraction * 2^-24
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + (127u - 15u);
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

}  // namespace niwaki
