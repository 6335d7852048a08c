#include <immintrin.h>

#include "pixels_f32/average.h"
#include "pixels_f32/threshold.h"
#include "pixels_f32/turn.h"

namespace niwaki::kernels {

void threshold_pixels_f32_u1_x86_avx2(const ThresholdPixelsF32Args& args) {
  threshold_pixels(args, [&](const float* x, std::int64_t c, std::int64_t count) {
    std::uint64_t word = 0;
    std::int64_t k = 0;
    for (; k + 8 <= count; k += 8) {
      // -x >= level as -x: the sign bit turned over where the sign is negative.
      const auto* signs = reinterpret_cast<const __m128i*>(args.sign + c + k);
      const __m256i sign = _mm256_cvtepi8_epi32(_mm_loadl_epi64(signs));
      const __m256i flip = _mm256_slli_epi32(_mm256_srli_epi32(sign, 31), 31);
      const __m256 value = _mm256_xor_ps(_mm256_loadu_ps(x + k), _mm256_castsi256_ps(flip));
      const __m256 passes = _mm256_cmp_ps(value, _mm256_loadu_ps(args.level + c + k), _CMP_GE_OQ);
      word |= static_cast<std::uint64_t>(_mm256_movemask_ps(passes)) << k;
    }
    return word | bits_one_by_one(args, x, c, k, count);
  });
}

void pixels_of_planes_f32_x86_avx2(const PixelsOfPlanesF32Args& args) {
  pixels_of_planes<simd::Avx2>(args);
}
void planes_of_pixels_f32_x86_avx2(const PlanesOfPixelsF32Args& args) {
  planes_of_pixels<simd::Avx2>(args);
}
void average_pixels_f32_x86_avx2(const AveragePixelsF32Args& args) {
  average_pixels<simd::Avx2>(args);
}

}  // namespace niwaki::kernels
