#include "winograd_f32/chunk.h"

namespace niwaki::kernels {

void winograd_f32_f32_f32_x86_avx2(const WinogradF32Args& args) { winograd<simd::Avx2>(args); }

}  // namespace niwaki::kernels
