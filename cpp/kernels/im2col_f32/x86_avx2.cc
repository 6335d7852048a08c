#include "im2col_f32/panels.h"

namespace niwaki::kernels {

void im2col_f32_f32_f32_x86_avx2(const Im2colF32Args& args) { im2col<simd::Avx2>(args); }
void gemm_f32_f32_f32_x86_avx2(const GemmF32Args& args) { gemm<simd::Avx2>(args); }

}  // namespace niwaki::kernels
