// Vectors of floats of every instruction set, with one interface, so that a kernel is written once:
//
//   template <class S> void my_kernel(const Args& args) { typename S::Vector x = S::load(args.x); }
//   // x86_avx512.cc:  void my_kernel_x86_avx512(const Args& a) { my_kernel<simd::Avx512>(a); }
//
// A source names its set's struct; only the sets that the source's flags allow are declared.
// Everything is in an anonymous namespace on purpose: the linker must never merge an AVX-512 copy
// into portable code. So a kernel template belongs in an anonymous namespace as well.
//
// `Bits` of a masked access: bit k stands for lane k; bits at or above kLanes are ignored. Lanes
// without a bit are neither read nor written in memory (no fault behind an array's end).
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif

// For a lambda or function that must melt into its caller, or its arrays of vectors would go
// through memory.
#define NIWAKI_INLINE inline __attribute__((always_inline))

// Before a loop over the vectors of a tile: unrolled whole, so that an array of vectors becomes
// registers. An array whose address escapes, or that is indexed by a variable, never does.
#define NIWAKI_UNROLL _Pragma("GCC unroll 32")

namespace niwaki::kernels {
namespace {
namespace simd {

using Bits = std::uint32_t;

// What every struct below offers (shown by the plain one):
struct Portable {
  static constexpr int kLanes = 8;
  // Vectors that fit the CPU's registers: what a tile may count on. (Here: 16 of four floats.)
  static constexpr int kRegisters = 8;
  struct Vector {
    float lane[kLanes];
  };

  static NIWAKI_INLINE Vector zero() { return Vector{}; }
  static NIWAKI_INLINE Vector broadcast(float x) {
    return make([&](int) { return x; });
  }
  static NIWAKI_INLINE Vector load(const float* p) {  // no alignment needed
    return make([&](int k) { return p[k]; });
  }
  static NIWAKI_INLINE Vector load_masked(const float* p, Bits bits) {  // 0 elsewhere
    return make([&](int k) { return (bits >> k & 1U) != 0 ? p[k] : 0.0F; });
  }
  // Keeps what was loaded a load of its own, here. A multiply-add that is folded with its load, or
  // directly behind it, is issued again when the load proves unaligned (seen on Zen 4: 40 instead
  // of 59 GMAC/s where a vector feeds four of them).
  static NIWAKI_INLINE void hold(Vector&) {}
  static NIWAKI_INLINE void store(float* p, Vector x) {
    for (int k = 0; k < kLanes; ++k) p[k] = x.lane[k];
  }
  static NIWAKI_INLINE void store_masked(float* p, Bits bits, Vector x) {
    for (int k = 0; k < kLanes; ++k) {
      if ((bits >> k & 1U) != 0) p[k] = x.lane[k];
    }
  }
  static NIWAKI_INLINE Vector keep(Vector x, Bits bits) {  // 0 in lanes without a bit, even of NaN
    return make([&](int k) { return (bits >> k & 1U) != 0 ? x.lane[k] : 0.0F; });
  }
  static NIWAKI_INLINE Vector bits_or(Vector a, Vector b) {  // of their bits
    return make([&](int k) {
      std::uint32_t bits[2];
      __builtin_memcpy(&bits[0], &a.lane[k], sizeof(float));
      __builtin_memcpy(&bits[1], &b.lane[k], sizeof(float));
      bits[0] |= bits[1];
      float either;
      __builtin_memcpy(&either, &bits[0], sizeof(float));
      return either;
    });
  }
  static NIWAKI_INLINE Vector fma(Vector a, Vector b, Vector c) {  // a * b + c; fused where it can
    return make([&](int k) { return a.lane[k] * b.lane[k] + c.lane[k]; });
  }
  static NIWAKI_INLINE Vector mul(Vector a, Vector b) {
    return make([&](int k) { return a.lane[k] * b.lane[k]; });
  }
  static NIWAKI_INLINE Vector add(Vector a, Vector b) {
    return make([&](int k) { return a.lane[k] + b.lane[k]; });
  }
  static NIWAKI_INLINE Vector sub(Vector a, Vector b) {
    return make([&](int k) { return a.lane[k] - b.lane[k]; });
  }
  // A NaN in the second argument stays: max(zero, x) is a ReLU that keeps NaN.
  static NIWAKI_INLINE Vector max(Vector a, Vector b) {
    return make([&](int k) { return a.lane[k] > b.lane[k] ? a.lane[k] : b.lane[k]; });
  }
  static NIWAKI_INLINE Vector min(Vector a, Vector b) {
    return make([&](int k) { return a.lane[k] < b.lane[k] ? a.lane[k] : b.lane[k]; });
  }
  static NIWAKI_INLINE float sum(Vector x) {  // over the lanes, in any order
    float total = 0;
    for (int k = 0; k < kLanes; ++k) total += x.lane[k];
    return total;
  }
  // Of the row a b: its even elements and its odd ones (a stride of two).
  static NIWAKI_INLINE void deinterleave(Vector a, Vector b, Vector& even, Vector& odd) {
    const Vector first = a;
    const Vector second = b;
    constexpr int kHalf = kLanes / 2;
    for (int k = 0; k < kHalf; ++k) {
      even.lane[k] = first.lane[2 * k];
      odd.lane[k] = first.lane[2 * k + 1];
      even.lane[kHalf + k] = second.lane[2 * k];
      odd.lane[kHalf + k] = second.lane[2 * k + 1];
    }
  }

 private:
  template <class Function>
  static NIWAKI_INLINE Vector make(const Function& function) {
    Vector made;
    for (int k = 0; k < kLanes; ++k) made.lane[k] = function(k);
    return made;
  }
};

#if defined(__AVX2__) && defined(__FMA__)
struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 16;
  using Vector = __m256;

  static NIWAKI_INLINE Vector zero() { return _mm256_setzero_ps(); }
  static NIWAKI_INLINE Vector broadcast(float x) { return _mm256_set1_ps(x); }
  static NIWAKI_INLINE Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static NIWAKI_INLINE Vector load_masked(const float* p, Bits bits) {
    return _mm256_maskload_ps(p, lanes_of(bits));
  }
  static NIWAKI_INLINE void hold(Vector& x) { asm volatile("" : "+x"(x)); }
  static NIWAKI_INLINE void store(float* p, Vector x) { _mm256_storeu_ps(p, x); }
  static NIWAKI_INLINE void store_masked(float* p, Bits bits, Vector x) {
    _mm256_maskstore_ps(p, lanes_of(bits), x);
  }
  static NIWAKI_INLINE Vector keep(Vector x, Bits bits) {
    return _mm256_and_ps(x, _mm256_castsi256_ps(lanes_of(bits)));
  }
  static NIWAKI_INLINE Vector bits_or(Vector a, Vector b) { return _mm256_or_ps(a, b); }
  static NIWAKI_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static NIWAKI_INLINE Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static NIWAKI_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static NIWAKI_INLINE Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static NIWAKI_INLINE Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static NIWAKI_INLINE Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
  static NIWAKI_INLINE float sum(Vector x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static NIWAKI_INLINE void deinterleave(Vector a, Vector b, Vector& even, Vector& odd) {
    const __m256d evens = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));  // in pairs a b a b
    const __m256d odds = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    even = _mm256_castpd_ps(_mm256_permute4x64_pd(evens, 0xd8));
    odd = _mm256_castpd_ps(_mm256_permute4x64_pd(odds, 0xd8));
  }

 private:
  static NIWAKI_INLINE __m256i lanes_of(Bits bits) {
    const __m256i one_each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i found = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), one_each);
    return _mm256_cmpeq_epi32(found, one_each);
  }
};
#endif

#if defined(__AVX512F__)
struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kRegisters = 32;
  using Vector = __m512;

  static NIWAKI_INLINE Vector zero() { return _mm512_setzero_ps(); }
  static NIWAKI_INLINE Vector broadcast(float x) { return _mm512_set1_ps(x); }
  static NIWAKI_INLINE Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static NIWAKI_INLINE Vector load_masked(const float* p, Bits bits) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(bits), p);
  }
  static NIWAKI_INLINE void hold(Vector& x) { asm volatile("" : "+v"(x)); }
  static NIWAKI_INLINE void store(float* p, Vector x) { _mm512_storeu_ps(p, x); }
  static NIWAKI_INLINE void store_masked(float* p, Bits bits, Vector x) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(bits), x);
  }
  static NIWAKI_INLINE Vector keep(Vector x, Bits bits) {
    return _mm512_maskz_mov_ps(static_cast<__mmask16>(bits), x);
  }
  static NIWAKI_INLINE Vector bits_or(Vector a, Vector b) { return _mm512_or_ps(a, b); }
  static NIWAKI_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static NIWAKI_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static NIWAKI_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static NIWAKI_INLINE Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static NIWAKI_INLINE Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static NIWAKI_INLINE Vector min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
  static NIWAKI_INLINE float sum(Vector x) { return _mm512_reduce_add_ps(x); }
  static NIWAKI_INLINE void deinterleave(Vector a, Vector b, Vector& even, Vector& odd) {
    const __m512i evens =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    const Vector first = a;
    even = _mm512_permutex2var_ps(first, evens, b);
    odd = _mm512_permutex2var_ps(first, odds, b);
  }
};
#endif

#if defined(__ARM_NEON) && defined(__aarch64__)
struct Neon {
  static constexpr int kLanes = 4;
  static constexpr int kRegisters = 32;
  using Vector = float32x4_t;

  static NIWAKI_INLINE Vector zero() { return vdupq_n_f32(0.0F); }
  static NIWAKI_INLINE Vector broadcast(float x) { return vdupq_n_f32(x); }
  static NIWAKI_INLINE Vector load(const float* p) { return vld1q_f32(p); }
  static NIWAKI_INLINE Vector load_masked(const float* p, Bits bits) {
    Vector x = zero();
    if ((bits & 1U) != 0) x = vld1q_lane_f32(p, x, 0);
    if ((bits & 2U) != 0) x = vld1q_lane_f32(p + 1, x, 1);
    if ((bits & 4U) != 0) x = vld1q_lane_f32(p + 2, x, 2);
    if ((bits & 8U) != 0) x = vld1q_lane_f32(p + 3, x, 3);
    return x;
  }
  static NIWAKI_INLINE void hold(Vector& x) { asm volatile("" : "+w"(x)); }
  static NIWAKI_INLINE void store(float* p, Vector x) { vst1q_f32(p, x); }
  static NIWAKI_INLINE void store_masked(float* p, Bits bits, Vector x) {
    if ((bits & 1U) != 0) vst1q_lane_f32(p, x, 0);
    if ((bits & 2U) != 0) vst1q_lane_f32(p + 1, x, 1);
    if ((bits & 4U) != 0) vst1q_lane_f32(p + 2, x, 2);
    if ((bits & 8U) != 0) vst1q_lane_f32(p + 3, x, 3);
  }
  static NIWAKI_INLINE Vector keep(Vector x, Bits bits) {
    const uint32x4_t one_each = {1, 2, 4, 8};
    const uint32x4_t lanes = vtstq_u32(vdupq_n_u32(bits), one_each);
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), lanes));
  }
  static NIWAKI_INLINE Vector bits_or(Vector a, Vector b) {
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
  }
  static NIWAKI_INLINE Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  static NIWAKI_INLINE Vector mul(Vector a, Vector b) { return vmulq_f32(a, b); }
  static NIWAKI_INLINE Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
  static NIWAKI_INLINE Vector sub(Vector a, Vector b) { return vsubq_f32(a, b); }
  static NIWAKI_INLINE Vector max(Vector a, Vector b) { return vmaxq_f32(a, b); }
  static NIWAKI_INLINE Vector min(Vector a, Vector b) { return vminq_f32(a, b); }
  static NIWAKI_INLINE float sum(Vector x) { return vaddvq_f32(x); }
  static NIWAKI_INLINE void deinterleave(Vector a, Vector b, Vector& even, Vector& odd) {
    const float32x4x2_t pair = {{vuzp1q_f32(a, b), vuzp2q_f32(a, b)}};
    even = pair.val[0];
    odd = pair.val[1];
  }
};
#endif

// Bits [0, count): all of a vector's lanes for count >= 32 or so; none for count <= 0.
NIWAKI_INLINE Bits first_bits(std::int64_t count) {
  return count >= 32 ? ~Bits{0} : count <= 0 ? Bits{0} : (Bits{1} << count) - 1;
}

// The bits of a bit string from bit p on, 32 of them. One word behind p's is read.
NIWAKI_INLINE Bits bits_at(const std::uint32_t* words, std::int64_t p) {
  std::uint64_t pair;
  std::memcpy(&pair, words + p / 32, sizeof pair);  // the machines here have the low word first
  return static_cast<Bits>(pair >> (p % 32));
}

}  // namespace simd
}  // namespace
}  // namespace niwaki::kernels
