#include "bits_gemm/walk.h"

namespace niwaki::kernels {

void bits_gemv_f32_f32_f32_arm_neon(const BitsGemvF32Args& args) { bits_gemv(args); }
void bits_gemm_f32_f32_f32_arm_neon(const BitsGemmF32Args& args) { bits_gemm<simd::Neon>(args); }

}  // namespace niwaki::kernels
