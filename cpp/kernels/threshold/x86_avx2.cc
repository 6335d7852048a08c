#include <immintrin.h>

#include "threshold/scalar.h"
#include "threshold/threshold.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kPixels = 8;

inline __m256i passes(const float* x, std::int8_t sign, float level) {
  // sign * x >= level, as x >= level or x <= -level: both comparisons are false for NaN.
  const __m256 value = _mm256_loadu_ps(x);
  return _mm256_castps_si256(sign < 0 ? _mm256_cmp_ps(value, _mm256_set1_ps(-level), _CMP_LE_OQ)
                                      : _mm256_cmp_ps(value, _mm256_set1_ps(level), _CMP_GE_OQ));
}

inline __m256i passes_wide(__m256i x, std::int8_t sign, std::int32_t level) {
  const __m256i value = sign < 0 ? _mm256_sub_epi32(_mm256_setzero_si256(), x) : x;
  const __m256i bound = _mm256_set1_epi32(level);
  return _mm256_or_si256(_mm256_cmpgt_epi32(value, bound), _mm256_cmpeq_epi32(value, bound));
}

inline __m256i passes(const std::uint8_t* x, std::int8_t sign, std::int32_t level) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  return passes_wide(_mm256_cvtepu8_epi32(bytes), sign, level);
}

inline __m256i passes(const std::int8_t* x, std::int8_t sign, std::int32_t level) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  return passes_wide(_mm256_cvtepi8_epi32(bytes), sign, level);
}

// Return one 32-bit half word for each of 8 pixels, from channels [begin, end), at most 32.
template <class X, class Level>
inline __m256i half_words(const ThresholdArgs<X, Level>& args, std::int64_t p, std::int64_t begin,
                          std::int64_t end) {
  __m256i bits = _mm256_setzero_si256();
  for (std::int64_t c = begin; c < end; ++c) {
    const __m256i bit = _mm256_set1_epi32(static_cast<int>(1U << (c - begin)));
    const __m256i mask = passes(args.input + c * args.pixels + p, args.sign[c], args.level[c]);
    bits = _mm256_or_si256(bits, _mm256_and_si256(mask, bit));
  }
  return bits;
}

template <class X, class Level>
void threshold(const ThresholdArgs<X, Level>& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  const std::int64_t whole = args.pixels / kPixels * kPixels;
  for (std::int64_t p = 0; p < whole; p += kPixels) {
    for (std::int64_t w = 0; w < words; ++w) {
      const std::int64_t end = args.channels < 64 * w + 64 ? args.channels : 64 * w + 64;
      const std::int64_t middle = end < 64 * w + 32 ? end : 64 * w + 32;
      alignas(32) std::uint32_t low[kPixels];
      alignas(32) std::uint32_t high[kPixels];
      _mm256_store_si256(reinterpret_cast<__m256i*>(low), half_words(args, p, 64 * w, middle));
      _mm256_store_si256(reinterpret_cast<__m256i*>(high), half_words(args, p, middle, end));
      for (std::int64_t k = 0; k < kPixels; ++k) {
        args.words[(p + k) * words + w] = low[k] | std::uint64_t{high[k]} << 32;
      }
    }
  }
  threshold_pixels(args, whole);
}

}  // namespace

void threshold_f32_u1_x86_avx2(const ThresholdF32Args& args) { threshold(args); }
void threshold_u8_u1_x86_avx2(const ThresholdU8Args& args) { threshold(args); }
void threshold_i8_u1_x86_avx2(const ThresholdS8Args& args) { threshold(args); }

}  // namespace niwaki::kernels
