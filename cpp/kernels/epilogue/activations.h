// Activations over a chunk, written so that the compiler turns them into vectors. Compiled once per
// instruction set, hence the anonymous namespace.
#pragma once

#include <cmath>
#include <cstring>

#include "epilogue/epilogue.h"

// Before a loop over the lanes of a chunk. GCC unrolls loops this short before it vectorises them,
// and then finds no vectors.
#if defined(__GNUC__) && !defined(__clang__)
#define NIWAKI_LANES _Pragma("GCC unroll 1")
#else
#define NIWAKI_LANES
#endif

namespace niwaki::kernels {
namespace {

// exp(x) to about 2 units in the last place, without branches or calls.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by a polynomial of degree 6 (Taylor: the first term
// left out is below 1.2e-7 of the result); 2^n by its exponent bits. Below -87 it stays at
// exp(-87), about 1.6e-38; above 88 at exp(88). NaN stays NaN.
inline float exp_bounded(float x) {
  float bounded = x < -87.0F ? -87.0F : x;
  bounded = bounded > 88.0F ? 88.0F : bounded;
  // Adding 1.5 * 2^23 rounds to an integer in the low bits.
  const float shifted = bounded * 1.44269504F + 12582912.0F;
  const float n = shifted - 12582912.0F;
  const float r = (bounded - n * 0.693145752F) - n * 1.42860677e-6F;  // ln 2 in two parts
  float sum = 1.0F / 720;
  sum = sum * r + 1.0F / 120;
  sum = sum * r + 1.0F / 24;
  sum = sum * r + 1.0F / 6;
  sum = sum * r + 0.5F;
  sum = sum * r + 1.0F;
  sum = sum * r + 1.0F;
  std::uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127U) << 23;  // the integer's low bits, biased, as an exponent
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return sum * power;
}

inline float clamp(float x, float lo, float hi) {
  const float raised = x < lo ? lo : x;
  return raised > hi ? hi : raised;
}

inline float sigmoid(float x) { return 1.0F / (1.0F + exp_bounded(-x)); }

// Below -87 sigmoid() stops falling, so x must stop as well.
inline float silu(float x) {
  const float bounded = x < -87.0F ? -87.0F : x;
  return bounded * sigmoid(bounded);
}

// tanh(x) = (1 - e) / (1 + e) with e = exp(-2|x|), and its odd series where that would cancel.
inline float tanh_bounded(float x) {
  const float size = std::fabs(x);
  const float e = exp_bounded(-2.0F * size);
  const float large = (1.0F - e) / (1.0F + e);
  const float square = x * x;
  float series = 62.0F / 2835;
  series = series * square - 17.0F / 315;
  series = series * square + 2.0F / 15;
  series = series * square - 1.0F / 3;
  series = series * square + 1.0F;
  const float small = size * series;
  return std::copysign(size < 0.3F ? small : large, x);
}

template <int kLanes, class Function>
inline void map(float (&values)[kLanes], const Function& function) {
  NIWAKI_LANES for (int k = 0; k < kLanes; ++k) { values[k] = function(values[k]); }
}

template <int kLanes>
inline void activate(float (&values)[kLanes], const Activation& activation) {
  const float alpha = activation.alpha;
  const float beta = activation.beta;
  const float lo = activation.lo;
  const float hi = activation.hi;
  switch (activation.kind) {
    case ActivationKind::none:
      return;
    case ActivationKind::relu:
      return map<kLanes>(values, [](float x) { return x < 0 ? 0.0F : x; });
    case ActivationKind::leaky_relu:
      return map<kLanes>(values, [=](float x) { return x < 0 ? alpha * x : x; });
    case ActivationKind::clip:
      return map<kLanes>(values, [=](float x) { return clamp(x, lo, hi); });
    case ActivationKind::sigmoid:
      return map<kLanes>(values, sigmoid);
    case ActivationKind::hard_sigmoid:
      return map<kLanes>(values, [=](float x) { return clamp(alpha * x + beta, 0.0F, 1.0F); });
    case ActivationKind::hard_swish:
      return map<kLanes>(values, [](float x) { return x * clamp(x / 6.0F + 0.5F, 0.0F, 1.0F); });
    case ActivationKind::silu:
      return map<kLanes>(values, silu);
    case ActivationKind::tanh:
      return map<kLanes>(values, tanh_bounded);
  }
}

}  // namespace
}  // namespace niwaki::kernels
