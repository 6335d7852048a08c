#include <immintrin.h>

#include "threshold/scalar.h"
#include "threshold/threshold.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kPixels = 16;

inline __mmask16 passes(const float* x, std::int8_t sign, float level) {
  // sign * x >= level, as x >= level or x <= -level: both comparisons are false for NaN.
  const __m512 value = _mm512_loadu_ps(x);
  return sign < 0 ? _mm512_cmp_ps_mask(value, _mm512_set1_ps(-level), _CMP_LE_OQ)
                  : _mm512_cmp_ps_mask(value, _mm512_set1_ps(level), _CMP_GE_OQ);
}

inline __mmask16 passes_wide(__m512i x, std::int8_t sign, std::int32_t level) {
  const __m512i value = sign < 0 ? _mm512_sub_epi32(_mm512_setzero_si512(), x) : x;
  return _mm512_cmpge_epi32_mask(value, _mm512_set1_epi32(level));
}

inline __mmask16 passes(const std::uint8_t* x, std::int8_t sign, std::int32_t level) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return passes_wide(_mm512_cvtepu8_epi32(bytes), sign, level);
}

inline __mmask16 passes(const std::int8_t* x, std::int8_t sign, std::int32_t level) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return passes_wide(_mm512_cvtepi8_epi32(bytes), sign, level);
}

// 16 pixels at once: each channel sets its bit in the words of the pixels that pass.
template <class X, class Level>
void threshold(const ThresholdArgs<X, Level>& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  const std::int64_t whole = args.pixels / kPixels * kPixels;
  for (std::int64_t p = 0; p < whole; p += kPixels) {
    for (std::int64_t w = 0; w < words; ++w) {
      __m512i low = _mm512_setzero_si512();   // pixels 0-7
      __m512i high = _mm512_setzero_si512();  // pixels 8-15
      const std::int64_t end = args.channels < 64 * w + 64 ? args.channels : 64 * w + 64;
      for (std::int64_t c = 64 * w; c < end; ++c) {
        const unsigned mask = passes(args.input + c * args.pixels + p, args.sign[c], args.level[c]);
        const __m512i bit = _mm512_set1_epi64(static_cast<long long>(std::uint64_t{1} << (c % 64)));
        low = _mm512_mask_or_epi64(low, static_cast<__mmask8>(mask), low, bit);
        high = _mm512_mask_or_epi64(high, static_cast<__mmask8>(mask >> 8), high, bit);
      }
      alignas(64) std::uint64_t pixels[kPixels];
      _mm512_store_si512(pixels, low);
      _mm512_store_si512(pixels + 8, high);
      for (std::int64_t k = 0; k < kPixels; ++k) {
        args.words[(p + k) * words + w] = pixels[k];
      }
    }
  }
  threshold_pixels(args, whole);
}

// The flat axis of the planes, pad columns included, in runs of 16; only pixels are stored. What is
// read behind the last row is the planes' tail.
void threshold_planes(const ThresholdPlanesF32Args& args) {
  const Planes& planes = args.planes;
  const std::int64_t words = (planes.channels + 63) / 64;
  std::int64_t x = 0;  // column of the run's first element
  std::uint64_t* output = args.words;
  for (std::int64_t p = 0; p < planes.pixels(); p += kPixels) {
    const std::int64_t count = planes.pixels() - p < kPixels ? planes.pixels() - p : kPixels;
    const auto live = static_cast<__mmask16>((1U << count) - 1);
    std::int64_t stored = 0;
    std::int64_t column = x;
    for (std::int64_t w = 0; w < words; ++w) {
      __m512i low = _mm512_setzero_si512();   // elements 0-7
      __m512i high = _mm512_setzero_si512();  // elements 8-15
      const std::int64_t end = planes.channels < 64 * w + 64 ? planes.channels : 64 * w + 64;
      for (std::int64_t c = 64 * w; c < end; ++c) {
        const __m512 value = _mm512_maskz_loadu_ps(live, args.input + c * planes.plane + p);
        const unsigned mask =
            args.sign[c] < 0 ? _mm512_cmp_ps_mask(value, _mm512_set1_ps(-args.level[c]), _CMP_LE_OQ)
                             : _mm512_cmp_ps_mask(value, _mm512_set1_ps(args.level[c]), _CMP_GE_OQ);
        const __m512i bit = _mm512_set1_epi64(static_cast<long long>(std::uint64_t{1} << (c % 64)));
        low = _mm512_mask_or_epi64(low, static_cast<__mmask8>(mask), low, bit);
        high = _mm512_mask_or_epi64(high, static_cast<__mmask8>(mask >> 8), high, bit);
      }
      alignas(64) std::uint64_t pixels[kPixels];
      _mm512_store_si512(pixels, low);
      _mm512_store_si512(pixels + 8, high);
      stored = 0;
      column = x;
      for (std::int64_t k = 0; k < count; ++k) {
        if (column < planes.width) output[stored++ * words + w] = pixels[k];
        column = column + 1 == planes.row ? 0 : column + 1;
      }
    }
    output += stored * words;
    x = column;
  }
}

}  // namespace

void threshold_planes_f32_u1_x86_avx512(const ThresholdPlanesF32Args& args) {
  threshold_planes(args);
}
void threshold_f32_u1_x86_avx512(const ThresholdF32Args& args) { threshold(args); }
void threshold_u8_u1_x86_avx512(const ThresholdU8Args& args) { threshold(args); }
void threshold_i8_u1_x86_avx512(const ThresholdS8Args& args) { threshold(args); }

}  // namespace niwaki::kernels
