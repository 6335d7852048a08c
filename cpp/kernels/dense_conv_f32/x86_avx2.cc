#include "dense_conv_f32/rows.h"

namespace niwaki::kernels {

void dense_conv_f32_f32_f32_x86_avx2(const DenseConvF32Args& args) { dense_conv<simd::Avx2>(args); }

}  // namespace niwaki::kernels
