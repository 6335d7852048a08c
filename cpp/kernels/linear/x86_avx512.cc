#include <immintrin.h>

#include "linear/dense_tile.h"
#include "linear/linear.h"
#include "linear/rows.h"

namespace niwaki::kernels {
namespace {

// Return the mask of the first `count` lanes, count in [0, 16].
inline __mmask16 first_lanes(std::int64_t count) {
  return static_cast<__mmask16>((1U << count) - 1);
}

std::int32_t dot(const std::int16_t* x, const std::int8_t* weights, std::int64_t count) {
  __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  std::int64_t k = 0;
  for (; k + 64 <= count; k += 64) {
    for (int v = 0; v < 2; ++v) {
      const auto* w = reinterpret_cast<const __m256i*>(weights + k + 32 * v);
      sums[v] = _mm512_dpwssd_epi32(sums[v], _mm512_loadu_si512(x + k + 32 * v),
                                    _mm512_cvtepi8_epi16(_mm256_loadu_si256(w)));
    }
  }
  for (; k < count; k += 32) {
    const std::int64_t left = count - k < 32 ? count - k : 32;
    const auto mask = static_cast<__mmask32>((std::uint64_t{1} << left) - 1);
    const __m512i w = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, weights + k));
    sums[0] = _mm512_dpwssd_epi32(sums[0], _mm512_maskz_loadu_epi16(mask, x + k), w);
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
}

}  // namespace

void linear_dense_f32_f32_f32_x86_avx512(const LinearDenseF32Args& args) {
  linear_dense<simd::Avx512>(args);
}

void linear_dense_i16_i8_i32_x86_avx512(const LinearDenseI16Args& args) {
  for_dense_rows(args, [](auto... a) { return dot(a...); });
}

}  // namespace niwaki::kernels
