// Columns of neighbouring tiles, put side by side again, and the reverse. Compiled once per
// instruction set, hence the anonymous namespace.
#pragma once

#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// low, high = a0 b0 a1 b1 ...: the reverse of S::deinterleave.
template <class S>
struct Interleave {
  using Vector = typename S::Vector;
  static NIWAKI_INLINE void run(Vector a, Vector b, Vector& low, Vector& high) {
    float from[2][S::kLanes];
    float to[2 * S::kLanes];
    S::store(from[0], a);
    S::store(from[1], b);
    for (int k = 0; k < 2 * S::kLanes; ++k) to[k] = from[k % 2][k / 2];
    low = S::load(to);
    high = S::load(to + S::kLanes);
  }
};

#if defined(__AVX512F__)
template <>
struct Interleave<simd::Avx512> {
  static NIWAKI_INLINE void run(__m512 a, __m512 b, __m512& low, __m512& high) {
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    low = _mm512_permutex2var_ps(a, first, b);
    high = _mm512_permutex2var_ps(a, _mm512_add_epi32(first, _mm512_set1_epi32(8)), b);
  }
};
#endif

#if defined(__AVX2__) && defined(__FMA__)
template <>
struct Interleave<simd::Avx2> {
  static NIWAKI_INLINE void run(__m256 a, __m256 b, __m256& low, __m256& high) {
    const __m256 outer = _mm256_unpacklo_ps(a, b);
    const __m256 inner = _mm256_unpackhi_ps(a, b);
    low = _mm256_permute2f128_ps(outer, inner, 0x20);
    high = _mm256_permute2f128_ps(outer, inner, 0x31);
  }
};
#endif

#if defined(__ARM_NEON) && defined(__aarch64__)
template <>
struct Interleave<simd::Neon> {
  static NIWAKI_INLINE void run(float32x4_t a, float32x4_t b, float32x4_t& low, float32x4_t& high) {
    low = vzip1q_f32(a, b);
    high = vzip2q_f32(a, b);
  }
};
#endif

// Lane q of y[j] becomes element 4 q + j of the row that the four vectors are.
template <class S>
NIWAKI_INLINE void interleave_four(typename S::Vector (&y)[4]) {
  typename S::Vector even[2];
  typename S::Vector odd[2];
  Interleave<S>::run(y[0], y[2], even[0], even[1]);
  Interleave<S>::run(y[1], y[3], odd[0], odd[1]);
  Interleave<S>::run(even[0], odd[0], y[0], y[1]);
  Interleave<S>::run(even[1], odd[1], y[2], y[3]);
}

// A row of kCount vectors: element kCount q + s goes to lane q of row[s]. kCount is a power of two.
template <class S, int kCount>
NIWAKI_INLINE void split_row(typename S::Vector* row) {
  if constexpr (kCount > 1) {
    typename S::Vector even[kCount / 2];
    typename S::Vector odd[kCount / 2];
    NIWAKI_UNROLL for (int k = 0; k < kCount / 2; ++k) {
      S::deinterleave(row[2 * k], row[2 * k + 1], even[k], odd[k]);
    }
    split_row<S, kCount / 2>(even);
    split_row<S, kCount / 2>(odd);
    NIWAKI_UNROLL for (int k = 0; k < kCount / 2; ++k) {
      row[2 * k] = even[k];
      row[2 * k + 1] = odd[k];
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
