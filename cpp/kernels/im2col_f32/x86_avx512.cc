#include "im2col_f32/panels.h"

namespace niwaki::kernels {

void im2col_f32_f32_f32_x86_avx512(const Im2colF32Args& args) { im2col<simd::Avx512>(args); }
void gemm_f32_f32_f32_x86_avx512(const GemmF32Args& args) { gemm<simd::Avx512>(args); }

}  // namespace niwaki::kernels
