// Turning kLanes vectors around: from pixels of several channels to channels of several pixels.
// Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// columns[k] = {rows[0][k], rows[1][k], ...}, k in [0, kLanes). `row(j)` is where row j lies.
template <class S>
struct Transpose {
  using Vector = typename S::Vector;

  template <class Row>
  static NIWAKI_INLINE void run(const Row& row, Vector (&columns)[S::kLanes]) {
    float turned[S::kLanes][S::kLanes];
    for (int j = 0; j < S::kLanes; ++j) {
      const float* from = row(j);
      for (int k = 0; k < S::kLanes; ++k) turned[k][j] = from[k];
    }
    for (int k = 0; k < S::kLanes; ++k) columns[k] = S::load(turned[k]);
  }
};

#if defined(__AVX512F__)
// Quarters of four rows are gathered by the loads (row j, j + 4, j + 8, j + 12 in one vector), so
// that only 4 x 4 blocks within the quarters are left to shuffle.
template <>
struct Transpose<simd::Avx512> {
  template <class Row>
  static NIWAKI_INLINE void run(const Row& row, __m512 (&columns)[16]) {
    for (int i = 0; i < 4; ++i) {
      const auto quarters = [&](int j) {
        __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(row(j) + 4 * i));
        x = _mm512_mask_broadcast_f32x4(x, 0x00f0, _mm_loadu_ps(row(j + 4) + 4 * i));
        x = _mm512_mask_broadcast_f32x4(x, 0x0f00, _mm_loadu_ps(row(j + 8) + 4 * i));
        return _mm512_mask_broadcast_f32x4(x, 0xf000, _mm_loadu_ps(row(j + 12) + 4 * i));
      };
      const __m512 a = quarters(0);
      const __m512 b = quarters(1);
      const __m512 c = quarters(2);
      const __m512 d = quarters(3);
      const __m512d ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
      const __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
      const __m512d cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
      const __m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
      columns[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low));
      columns[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low));
      columns[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
      columns[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
    }
  }
};
#endif

#if defined(__AVX2__) && defined(__FMA__)
template <>
struct Transpose<simd::Avx2> {
  template <class Row>
  static NIWAKI_INLINE void run(const Row& row, __m256 (&columns)[8]) {
    for (int i = 0; i < 2; ++i) {
      const auto halves = [&](int j) {
        const __m256 x = _mm256_castps128_ps256(_mm_loadu_ps(row(j) + 4 * i));
        return _mm256_insertf128_ps(x, _mm_loadu_ps(row(j + 4) + 4 * i), 1);
      };
      const __m256 a = halves(0);
      const __m256 b = halves(1);
      const __m256 c = halves(2);
      const __m256 d = halves(3);
      const __m256d ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
      const __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
      const __m256d cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
      const __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
      columns[4 * i] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_low, cd_low));
      columns[4 * i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_low, cd_low));
      columns[4 * i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
      columns[4 * i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
    }
  }
};
#endif

}  // namespace
}  // namespace niwaki::kernels
