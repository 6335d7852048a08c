#include "bits_gemm/walk.h"

namespace niwaki::kernels {

void bits_gemv_f32_f32_f32_x86_avx2(const BitsGemvF32Args& args) { bits_gemv(args); }
void bits_gemm_f32_f32_f32_x86_avx2(const BitsGemmF32Args& args) { bits_gemm<simd::Avx2>(args); }

}  // namespace niwaki::kernels
