#include "slices_b1/bits.h"
#include "slices_b1/finish.h"
#include "slices_b1/half_x86.h"
#include "slices_b1/spread_x86.h"

namespace niwaki::kernels {
namespace {

// Ternary logic: an adder is two operations.
constexpr int kOdd = 0x96;     // a ^ b ^ c
constexpr int kTwo = 0xe8;     // at least two of them
constexpr int kChoose = 0xca;  // a ? b : c

struct Sixteen {
  static constexpr int kLanes = 16;
  static constexpr int kMaskPlanes = 2;
  using Ints = std::int32_t __attribute__((vector_size(64)));
  using Floats = float __attribute__((vector_size(64)));

  static NIWAKI_INLINE Ints ints(const std::uint8_t* bytes) {
    return reinterpret_cast<Ints>(
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
  }
  static NIWAKI_INLINE Ints with_plane(Ints counts, const std::uint8_t* bits, int value) {
    std::uint16_t mask;
    std::memcpy(&mask, bits, sizeof mask);
    const auto some = reinterpret_cast<__m512i>(counts);
    return reinterpret_cast<Ints>(
        _mm512_mask_add_epi32(some, mask, some, _mm512_set1_epi32(value)));
  }
};

struct Whole : Sixteen {
  using Type = __m512i;
  static constexpr int kBytes = 64;

  static NIWAKI_INLINE Type load(const char* p) { return _mm512_loadu_si512(p); }
  static NIWAKI_INLINE void store(std::uint8_t* p, Type x) { _mm512_storeu_si512(p, x); }
  static NIWAKI_INLINE Type zero() { return _mm512_setzero_si512(); }
  static NIWAKI_INLINE Type repeat(int byte) { return _mm512_set1_epi8(static_cast<char>(byte)); }
  static NIWAKI_INLINE Type exclusive_or(Type a, Type b) { return _mm512_xor_si512(a, b); }
  static NIWAKI_INLINE Type both(Type a, Type b) { return _mm512_and_si512(a, b); }
  static NIWAKI_INLINE Type sum(Type a, Type b, Type c) {
    return _mm512_ternarylogic_epi64(a, b, c, kOdd);
  }
  static NIWAKI_INLINE Type carry(Type a, Type b, Type c) {
    return _mm512_ternarylogic_epi64(a, b, c, kTwo);
  }
  static NIWAKI_INLINE Type select(Type mask, Type a, Type b) {
    return _mm512_ternarylogic_epi64(mask, a, b, kChoose);
  }
  template <int shift>
  static NIWAKI_INLINE Type left(Type x) {
    return _mm512_slli_epi64(x, shift);
  }
  template <int shift>
  static NIWAKI_INLINE Type right(Type x) {
    return _mm512_srli_epi64(x, shift);
  }
  static NIWAKI_INLINE Type low8(Type a, Type b) { return _mm512_unpacklo_epi8(a, b); }
  static NIWAKI_INLINE Type high8(Type a, Type b) { return _mm512_unpackhi_epi8(a, b); }
  static NIWAKI_INLINE Type low16(Type a, Type b) { return _mm512_unpacklo_epi16(a, b); }
  static NIWAKI_INLINE Type high16(Type a, Type b) { return _mm512_unpackhi_epi16(a, b); }
  static NIWAKI_INLINE Type low32(Type a, Type b) { return _mm512_unpacklo_epi32(a, b); }
  static NIWAKI_INLINE Type high32(Type a, Type b) { return _mm512_unpackhi_epi32(a, b); }
  static void spread(const Type* planes, std::uint8_t* bytes) {
    spread_planes<Whole>(planes, bytes);
  }
  static constexpr int place(int run) { return place_of_run<kBytes>(run); }
};

// Small maps: half the pixels, twice as many operations a cycle.
struct Half : HalfVector, Sixteen {
  static NIWAKI_INLINE Type sum(Type a, Type b, Type c) {
    return _mm256_ternarylogic_epi64(a, b, c, kOdd);
  }
  static NIWAKI_INLINE Type carry(Type a, Type b, Type c) {
    return _mm256_ternarylogic_epi64(a, b, c, kTwo);
  }
  static NIWAKI_INLINE Type select(Type mask, Type a, Type b) {
    return _mm256_ternarylogic_epi64(mask, a, b, kChoose);
  }
  static void spread(const Type* planes, std::uint8_t* bytes) {
    spread_planes<Half>(planes, bytes);
  }
  static constexpr int place(int run) { return place_of_run<kBytes>(run); }
};

// Bits of the floats that pass (bits.h).
struct Test {
  static constexpr int kLanes = 16;

  NIWAKI_INLINE std::uint16_t operator()(const float* x, float level, bool falling) const {
    const __m512 floats = _mm512_loadu_ps(x);
    const __m512 levels = _mm512_set1_ps(level);
    return falling ? _mm512_cmp_ps_mask(floats, levels, _CMP_LE_OQ)
                   : _mm512_cmp_ps_mask(floats, levels, _CMP_GE_OQ);
  }
};

}  // namespace

void slice_base_u1_x86_avx512(const SliceBaseArgs& args) { slice_base(args); }
void slice_threshold_f32_u1_x86_avx512(const SliceThresholdArgs& args) {
  slice_threshold(args, Test{});
}
void slice_bits_u1_x86_avx512(const SliceBitsArgs& args) { slice_bits(args); }

void slice_ones_u1_i32_x86_avx512(const SliceOnesArgs& args) {
  args.geometry.slice_words == 8 ? slice_ones<Whole>(args) : slice_ones<Half>(args);
}

void slices_u1_b1_f32_x86_avx512(const SlicesB1Args& args) {
  args.geometry.slice_words == 8 ? add_slices<Whole>(args) : add_slices<Half>(args);
}

}  // namespace niwaki::kernels
