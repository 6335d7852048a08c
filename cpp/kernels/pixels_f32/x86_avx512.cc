#include <immintrin.h>

#include "pixels_f32/average.h"
#include "pixels_f32/threshold.h"
#include "pixels_f32/turn.h"

namespace niwaki::kernels {

void threshold_pixels_f32_u1_x86_avx512(const ThresholdPixelsF32Args& args) {
  threshold_pixels(args, [&](const float* x, std::int64_t c, std::int64_t count) {
    std::uint64_t word = 0;
    for (std::int64_t k = 0; k < count; k += 16) {
      const __mmask16 live = static_cast<__mmask16>(simd::first_bits(count - k));
      // -x >= level as -x: the sign bit turned over where the sign is negative.
      const __m512i sign = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(live, args.sign + c + k));
      const __m512i flip = _mm512_slli_epi32(_mm512_srli_epi32(sign, 31), 31);
      const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(live, x + k));
      const __m512 value = _mm512_castsi512_ps(_mm512_xor_si512(bits, flip));
      const __m512 level = _mm512_maskz_loadu_ps(live, args.level + c + k);
      const __mmask16 passes = _mm512_mask_cmp_ps_mask(live, value, level, _CMP_GE_OQ);
      word |= std::uint64_t{passes} << k;
    }
    return word;
  });
}

void pixels_of_planes_f32_x86_avx512(const PixelsOfPlanesF32Args& args) {
  pixels_of_planes<simd::Avx512>(args);
}
void planes_of_pixels_f32_x86_avx512(const PlanesOfPixelsF32Args& args) {
  planes_of_pixels<simd::Avx512>(args);
}
void average_pixels_f32_x86_avx512(const AveragePixelsF32Args& args) {
  average_pixels<simd::Avx512>(args);
}

}  // namespace niwaki::kernels
