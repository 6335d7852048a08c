// What happens at the store: terms are summed, rounded or activated, and written as compact planes.
//
// A term is anything that meets there, read as data[c * channel_stride + y * row_stride + x]:
// accumulators with their row_width, compact planes (residuals, inputs of an add) with row_stride =
// width.
//
//   EpilogueF32:   out = act(sum_j scale_j[c] * term_j + bias[c]);  terms are f32 or s32; a scale
//   of
//                  nullptr is 1, a bias of nullptr is 0. With no bias and one term: an activation.
//   RequantizeU8,  out = clip((sum_j m_j[c] * term_j + bias[c] + 2^(shift[c] - 1)) >> shift[c], lo,
//   hi) RequantizeS8:  in int64, >> rounding down; terms are s32, u8 or s8 SumS32:        out =
//   sum_j term_j + bias[c]; multipliers and shift unused
//
// out[c * height * width + y * width + x] is written, nothing else. A linear layer is C channels of
// one pixel. Assumptions of the integer forms: 1 <= shift <= 40, |bias| < 2^47, m int16, so that no
// sum leaves 50 bits; SumS32: the sum fits s32 (kSumsFitS32).
#pragma once

#include <cstdint>

#include "common/table.h"

namespace niwaki::kernels {

enum class TermType : std::int32_t { f32, s32, u8, s8 };

template <class Multiplier>
struct Term {
  const void* data = nullptr;
  TermType type = TermType::s32;
  std::int64_t channel_stride = 0;
  std::int64_t row_stride = 0;
  const Multiplier* multiplier = nullptr;  // per channel
};

inline constexpr int kMaxTerms = 3;

enum class ActivationKind : std::int32_t {
  none,
  relu,          // max(x, 0)
  leaky_relu,    // x >= 0 ? x : alpha * x
  clip,          // min(max(x, lo), hi)
  sigmoid,       // 1 / (1 + exp(-x))
  hard_sigmoid,  // min(max(alpha * x + beta, 0), 1)
  hard_swish,    // x * min(max(x / 6 + 0.5, 0), 1)
  silu,          // x * sigmoid(x)
  tanh,
};

// NaN stays NaN in all of them.
struct Activation {
  ActivationKind kind = ActivationKind::none;
  float alpha = 0, beta = 0, lo = 0, hi = 0;
};

struct EpilogueF32Args {
  Term<float> terms[kMaxTerms];
  std::int32_t count;  // of terms, 1 to kMaxTerms
  const float* bias;
  Activation activation;
  std::int64_t channels, height, width;
  float* output;
};

template <class Out>
struct RequantizeArgs {
  Term<std::int16_t> terms[kMaxTerms];
  std::int32_t count;
  const std::int64_t* bias;
  const std::uint8_t* shift;
  std::int64_t lo, hi;  // within the output type
  std::int64_t channels, height, width;
  Out* output;
};

using RequantizeU8Args = RequantizeArgs<std::uint8_t>;
using RequantizeS8Args = RequantizeArgs<std::int8_t>;
using SumS32Args = RequantizeArgs<std::int32_t>;

NIWAKI_OP(EpilogueF32, EpilogueF32Args);
NIWAKI_OP(RequantizeU8, RequantizeU8Args);
NIWAKI_OP(RequantizeS8, RequantizeS8Args);
NIWAKI_OP(SumS32, SumS32Args);

}  // namespace niwaki::kernels
