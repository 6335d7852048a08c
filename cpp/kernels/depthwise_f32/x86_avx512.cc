#include "depthwise_f32/rows.h"

namespace niwaki::kernels {
namespace {

// Half vectors of AVX-512 VL: its registers and masks. Most taps are unaligned loads, and half as
// many of the short ones cross a cache line (Zen 4: 34 against 29 GMAC/s); and 7 columns fill 8
// lanes better than 16.
struct Avx512Half : simd::Avx2 {
  static constexpr int kRegisters = 32;

  static NIWAKI_INLINE void store_masked(float* p, simd::Bits bits, Vector x) {
    _mm256_mask_storeu_ps(p, static_cast<__mmask8>(bits), x);
  }
  static NIWAKI_INLINE Vector keep(Vector x, simd::Bits bits) {
    return _mm256_maskz_mov_ps(static_cast<__mmask8>(bits), x);
  }
};

}  // namespace

void depthwise_f32_f32_f32_x86_avx512(const DepthwiseF32Args& args) {
  if (args.width > 8 && args.width <= 16) {
    depthwise<simd::Avx512>(args);  // one vector a row
  } else {
    depthwise<Avx512Half>(args);
  }
}

}  // namespace niwaki::kernels
