#include "slices_b1/bits.h"
#include "slices_b1/finish.h"
#include "slices_b1/half_x86.h"
#include "slices_b1/spread_x86.h"

namespace niwaki::kernels {
namespace {

struct Half : HalfVector {
  static constexpr int kLanes = 8;
  static constexpr int kMaskPlanes = 0;
  using Ints = std::int32_t __attribute__((vector_size(32)));
  using Floats = float __attribute__((vector_size(32)));

  static NIWAKI_INLINE Type sum(Type a, Type b, Type c) {
    return _mm256_xor_si256(_mm256_xor_si256(b, c), a);
  }
  // b where b and c agree, else a.
  static NIWAKI_INLINE Type carry(Type a, Type b, Type c) {
    return select(_mm256_xor_si256(b, c), a, b);
  }
  static NIWAKI_INLINE Type select(Type mask, Type a, Type b) {
    return _mm256_or_si256(_mm256_and_si256(mask, a), _mm256_andnot_si256(mask, b));
  }
  static NIWAKI_INLINE Ints ints(const std::uint8_t* bytes) {
    return reinterpret_cast<Ints>(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  }
  static void spread(const Type* planes, std::uint8_t* bytes) {
    spread_planes<Half>(planes, bytes);
  }
  static constexpr int place(int run) { return place_of_run<kBytes>(run); }
};

// Bits of the floats that pass (bits.h).
struct Test {
  static constexpr int kLanes = 8;

  NIWAKI_INLINE std::uint8_t operator()(const float* x, float level, bool falling) const {
    const __m256 floats = _mm256_loadu_ps(x);
    const __m256 levels = _mm256_set1_ps(level);
    const __m256 passes = falling ? _mm256_cmp_ps(floats, levels, _CMP_LE_OQ)
                                  : _mm256_cmp_ps(floats, levels, _CMP_GE_OQ);
    return static_cast<std::uint8_t>(_mm256_movemask_ps(passes));
  }
};

}  // namespace

void slice_base_u1_x86_avx2(const SliceBaseArgs& args) { slice_base(args); }
void slice_threshold_f32_u1_x86_avx2(const SliceThresholdArgs& args) {
  slice_threshold(args, Test{});
}
void slice_bits_u1_x86_avx2(const SliceBitsArgs& args) { slice_bits(args); }
void slice_ones_u1_i32_x86_avx2(const SliceOnesArgs& args) { slice_ones<Half>(args); }
void slices_u1_b1_f32_x86_avx2(const SlicesB1Args& args) { add_slices<Half>(args); }

}  // namespace niwaki::kernels
