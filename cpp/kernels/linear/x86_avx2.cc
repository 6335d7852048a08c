#include <immintrin.h>

#include "linear/linear.h"
#include "linear/rows.h"

namespace niwaki::kernels {
namespace {

inline float sum_lanes(__m256 x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

inline std::int32_t sum_lanes(__m256i x) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
}

float dot(const float* x, const float* weights, std::int64_t count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps()};
  std::int64_t k = 0;
  for (; k + 32 <= count; k += 32) {
    for (int v = 0; v < 4; ++v) {
      sums[v] = _mm256_fmadd_ps(_mm256_loadu_ps(x + k + 8 * v),
                                _mm256_loadu_ps(weights + k + 8 * v), sums[v]);
    }
  }
  float sum =
      sum_lanes(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  for (; k < count; ++k) {
    sum += x[k] * weights[k];
  }
  return sum;
}

std::int32_t dot(const std::int16_t* x, const std::int8_t* weights, std::int64_t count) {
  __m256i sums = _mm256_setzero_si256();
  std::int64_t k = 0;
  for (; k + 16 <= count; k += 16) {
    const __m128i w = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + k));
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + k));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a, _mm256_cvtepi8_epi16(w)));
  }
  std::int32_t sum = sum_lanes(sums);
  for (; k < count; ++k) {
    sum += x[k] * weights[k];
  }
  return sum;
}

}  // namespace

void linear_dense_f32_f32_f32_x86_avx2(const LinearDenseF32Args& args) {
  for_dense_rows(args, [](auto... a) { return dot(a...); });
}

void linear_dense_i16_i8_i32_x86_avx2(const LinearDenseI16Args& args) {
  for_dense_rows(args, [](auto... a) { return dot(a...); });
}

}  // namespace niwaki::kernels
