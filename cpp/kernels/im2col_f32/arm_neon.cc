#include "im2col_f32/panels.h"

namespace niwaki::kernels {

void im2col_f32_f32_f32_arm_neon(const Im2colF32Args& args) { im2col<simd::Neon>(args); }
void gemm_f32_f32_f32_arm_neon(const GemmF32Args& args) { gemm<simd::Neon>(args); }

}  // namespace niwaki::kernels
