// What AVX2 and AVX-512 have in common on vectors of 256 bits (the Vector of adders.h and
// spread_x86.h). Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <immintrin.h>

#include "common/simd.h"

namespace niwaki::kernels {
namespace {

struct HalfVector {
  using Type = __m256i;
  static constexpr int kBytes = 32;

  static NIWAKI_INLINE Type load(const char* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static NIWAKI_INLINE void store(std::uint8_t* p, Type x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
  }
  static NIWAKI_INLINE Type zero() { return _mm256_setzero_si256(); }
  static NIWAKI_INLINE Type repeat(int byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static NIWAKI_INLINE Type exclusive_or(Type a, Type b) { return _mm256_xor_si256(a, b); }
  static NIWAKI_INLINE Type both(Type a, Type b) { return _mm256_and_si256(a, b); }
  template <int shift>
  static NIWAKI_INLINE Type left(Type x) {
    return _mm256_slli_epi64(x, shift);
  }
  template <int shift>
  static NIWAKI_INLINE Type right(Type x) {
    return _mm256_srli_epi64(x, shift);
  }
  static NIWAKI_INLINE Type low8(Type a, Type b) { return _mm256_unpacklo_epi8(a, b); }
  static NIWAKI_INLINE Type high8(Type a, Type b) { return _mm256_unpackhi_epi8(a, b); }
  static NIWAKI_INLINE Type low16(Type a, Type b) { return _mm256_unpacklo_epi16(a, b); }
  static NIWAKI_INLINE Type high16(Type a, Type b) { return _mm256_unpackhi_epi16(a, b); }
  static NIWAKI_INLINE Type low32(Type a, Type b) { return _mm256_unpacklo_epi32(a, b); }
  static NIWAKI_INLINE Type high32(Type a, Type b) { return _mm256_unpackhi_epi32(a, b); }
};

}  // namespace
}  // namespace niwaki::kernels
