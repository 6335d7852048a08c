// The loops of roofline.h for one instruction set. Compiled once per set, hence the anonymous
// namespace.
#pragma once

#include "common/simd.h"
#include "roofline/roofline.h"

namespace niwaki::kernels {
namespace {

// As many chains as hide a multiply-add's latency on two ports (4 or 5 cycles), or as fit.
template <class S>
constexpr int kChains = S::kRegisters >= 16 ? 12 : 6;

template <class S>
float run_fma(std::int64_t rounds) {
  typename S::Vector sums[kChains<S>];
  const auto x = S::broadcast(1.0F);
  const auto y = S::broadcast(1e-9F);
  NIWAKI_UNROLL for (int k = 0; k < kChains<S>; ++k) {
    sums[k] = S::zero();
    asm volatile("" : "+m"(sums[k]));  // so that no two chains are one
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    NIWAKI_UNROLL for (int k = 0; k < kChains<S>; ++k) sums[k] = S::fma(x, y, sums[k]);
  }
  NIWAKI_UNROLL for (int k = 1; k < kChains<S>; ++k) sums[0] = S::add(sums[0], sums[k]);
  return S::sum(sums[0]);
}

template <class S, bool kMultiply>
float run_loads(const float* data, std::int64_t floats, std::int64_t rounds) {
  constexpr int kVectors = kRooflineStep / 16;
  typename S::Vector sums[kVectors];
  const auto value = S::broadcast(1.0F);
  NIWAKI_UNROLL for (int k = 0; k < kVectors; ++k) sums[k] = S::zero();
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (std::int64_t at = 0; at < floats; at += kVectors * S::kLanes) {
      NIWAKI_UNROLL for (int k = 0; k < kVectors; ++k) {
        const auto x = S::load(data + at + k * S::kLanes);
        sums[k] = kMultiply ? S::fma(x, value, sums[k]) : S::add(x, sums[k]);
      }
    }
  }
  NIWAKI_UNROLL for (int k = 1; k < kVectors; ++k) sums[0] = S::add(sums[0], sums[k]);
  return S::sum(sums[0]);
}

// A vector of words of each set: how it counts the bits that two have in common.
struct PortableBits {
  static constexpr int kWords = 8;  // for the compiler to make vectors of
  struct Vector {
    std::uint64_t word[kWords];
  };
  static NIWAKI_INLINE Vector fill(std::uint64_t x) {
    Vector made;
    for (std::uint64_t& word : made.word) word = x;
    return made;
  }
  static NIWAKI_INLINE Vector add_count(Vector sum, Vector a, Vector v) {
    for (int k = 0; k < kWords; ++k) {
      std::uint64_t x = a.word[k] & v.word[k];
      x -= (x >> 1) & 0x5555555555555555U;
      x = (x & 0x3333333333333333U) + ((x >> 2) & 0x3333333333333333U);
      sum.word[k] += (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fU;  // of bytes, as the kernels flush them
    }
    return sum;
  }
  static NIWAKI_INLINE void hide(Vector& x) { asm volatile("" : "+m"(x)); }
};

#if defined(__AVX2__)
struct Avx2Bits {
  static constexpr int kWords = 4;
  using Vector = __m256i;
  static NIWAKI_INLINE Vector fill(std::uint64_t x) {
    return _mm256_set1_epi64x(static_cast<long long>(x));
  }
  static NIWAKI_INLINE Vector add_count(Vector sum, Vector a, Vector v) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i x = _mm256_and_si256(a, v);
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
    return _mm256_add_epi8(sum, _mm256_add_epi8(low, high));  // of bytes, as the kernels flush them
  }
  static NIWAKI_INLINE void hide(Vector& x) { asm volatile("" : "+x"(x)); }
};
#endif

#if defined(__AVX512VPOPCNTDQ__)
struct Avx512Bits {
  static constexpr int kWords = 8;
  using Vector = __m512i;
  static NIWAKI_INLINE Vector fill(std::uint64_t x) {
    return _mm512_set1_epi64(static_cast<long long>(x));
  }
  static NIWAKI_INLINE Vector add_count(Vector sum, Vector a, Vector v) {
    return _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_and_si512(a, v)));
  }
  static NIWAKI_INLINE void hide(Vector& x) { asm volatile("" : "+v"(x)); }
};
#endif

#if defined(__ARM_NEON) && defined(__aarch64__)
struct NeonBits {
  static constexpr int kWords = 2;
  using Vector = uint64x2_t;
  static NIWAKI_INLINE Vector fill(std::uint64_t x) { return vdupq_n_u64(x); }
  static NIWAKI_INLINE Vector add_count(Vector sum, Vector a, Vector v) {
    const uint8x16_t count = vcntq_u8(vreinterpretq_u8_u64(vandq_u64(a, v)));
    return vreinterpretq_u64_u8(vaddq_u8(vreinterpretq_u8_u64(sum), count));
  }
  static NIWAKI_INLINE void hide(Vector& x) { asm volatile("" : "+w"(x)); }
};
#endif

constexpr int kBitChains = 6;

template <class B>
float run_bits(std::int64_t rounds) {
  typename B::Vector sums[kBitChains];
  typename B::Vector weights[kBitChains];
  NIWAKI_UNROLL for (int k = 0; k < kBitChains; ++k) {
    sums[k] = B::fill(0);
    weights[k] = B::fill(0x123456789abcdefU << k);
    B::hide(weights[k]);
  }
  auto activation = B::fill(0x0f1e2d3c4b5a6978U);
  for (std::int64_t round = 0; round < rounds; ++round) {
    B::hide(activation);  // or every round would be the first one
    NIWAKI_UNROLL for (int k = 0; k < kBitChains; ++k) {
      sums[k] = B::add_count(sums[k], activation, weights[k]);
    }
  }
  NIWAKI_UNROLL for (int k = 0; k < kBitChains; ++k) B::hide(sums[k]);
  return 0;
}

template <class S, class B>
constexpr RooflineLoops kLoops = {S::kLanes,           kChains<S>,           &run_fma<S>,
                                  &run_loads<S, true>, &run_loads<S, false>, kBitChains * B::kWords,
                                  &run_bits<B>};

}  // namespace
}  // namespace niwaki::kernels
