#include "depthwise_f32/rows.h"

namespace niwaki::kernels {

void depthwise_f32_f32_f32_arm_neon(const DepthwiseF32Args& args) { depthwise<simd::Neon>(args); }

}  // namespace niwaki::kernels
