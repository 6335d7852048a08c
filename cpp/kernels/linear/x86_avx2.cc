#include <immintrin.h>

#include "linear/dense_tile.h"
#include "linear/linear.h"
#include "linear/rows.h"

namespace niwaki::kernels {
namespace {

inline std::int32_t sum_lanes(__m256i x) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
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
  linear_dense<simd::Avx2>(args);
}

void linear_dense_i16_i8_i32_x86_avx2(const LinearDenseI16Args& args) {
  for_dense_rows(args, [](auto... a) { return dot(a...); });
}

}  // namespace niwaki::kernels
