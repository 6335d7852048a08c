#include "dense_conv_f32/rows.h"

namespace niwaki::kernels {

void dense_conv_f32_f32_f32_arm_neon(const DenseConvF32Args& args) { dense_conv<simd::Neon>(args); }

}  // namespace niwaki::kernels
