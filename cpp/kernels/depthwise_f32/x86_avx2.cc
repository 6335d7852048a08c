#include "depthwise_f32/rows.h"

namespace niwaki::kernels {

void depthwise_f32_f32_f32_x86_avx2(const DepthwiseF32Args& args) { depthwise<simd::Avx2>(args); }

}  // namespace niwaki::kernels
