#include "im2col_f32/panels.h"

namespace niwaki::kernels {

void im2col_f32_f32_f32_portable(const Im2colF32Args& args) { im2col<simd::Portable>(args); }
void gemm_f32_f32_f32_portable(const GemmF32Args& args) { gemm<simd::Portable>(args); }

}  // namespace niwaki::kernels
