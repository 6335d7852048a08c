#include <arm_neon.h>

#include "pixels_f32/average.h"
#include "pixels_f32/threshold.h"
#include "pixels_f32/turn.h"

namespace niwaki::kernels {

void threshold_pixels_f32_u1_arm_neon(const ThresholdPixelsF32Args& args) {
  threshold_pixels(args, [&](const float* x, std::int64_t c, std::int64_t count) {
    const uint32x4_t each = {1, 2, 4, 8};
    std::uint64_t word = 0;
    std::int64_t k = 0;
    for (; k + 8 <= count; k += 8) {
      const int16x8_t sign = vmovl_s8(vld1_s8(args.sign + c + k));
      for (int half = 0; half < 2; ++half) {
        const int32x4_t wide = vmovl_s16(half == 0 ? vget_low_s16(sign) : vget_high_s16(sign));
        const float32x4_t value = vmulq_f32(vld1q_f32(x + k + 4 * half), vcvtq_f32_s32(wide));
        const uint32x4_t passes = vcgeq_f32(value, vld1q_f32(args.level + c + k + 4 * half));
        word |= std::uint64_t{vaddvq_u32(vandq_u32(passes, each))} << (k + 4 * half);
      }
    }
    return word | bits_one_by_one(args, x, c, k, count);
  });
}

void pixels_of_planes_f32_arm_neon(const PixelsOfPlanesF32Args& args) {
  pixels_of_planes<simd::Neon>(args);
}
void planes_of_pixels_f32_arm_neon(const PlanesOfPixelsF32Args& args) {
  planes_of_pixels<simd::Neon>(args);
}
void average_pixels_f32_arm_neon(const AveragePixelsF32Args& args) {
  average_pixels<simd::Neon>(args);
}

}  // namespace niwaki::kernels
