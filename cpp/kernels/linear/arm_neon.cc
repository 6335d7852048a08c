#include <arm_neon.h>

#include "linear/dense_tile.h"
#include "linear/linear.h"
#include "linear/rows.h"

namespace niwaki::kernels {
namespace {

std::int32_t dot_i16(const std::int16_t* x, const std::int8_t* weights, std::int64_t count) {
  int32x4_t low = vdupq_n_s32(0);
  int32x4_t high = vdupq_n_s32(0);
  std::int64_t k = 0;
  for (; k + 8 <= count; k += 8) {
    const int16x8_t wide = vmovl_s8(vld1_s8(weights + k));
    const int16x8_t values = vld1q_s16(x + k);
    low = vmlal_s16(low, vget_low_s16(wide), vget_low_s16(values));
    high = vmlal_high_s16(high, wide, values);
  }
  std::int32_t sum = vaddvq_s32(vaddq_s32(low, high));
  for (; k < count; ++k) {
    sum += weights[k] * x[k];
  }
  return sum;
}

}  // namespace

void linear_dense_f32_f32_f32_arm_neon(const LinearDenseF32Args& args) {
  linear_dense<simd::Neon>(args);
}

void linear_dense_i16_i8_i32_arm_neon(const LinearDenseI16Args& args) {
  for_dense_rows(args, dot_i16);
}

}  // namespace niwaki::kernels
