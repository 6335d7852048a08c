#include "winograd_f32/chunk.h"

namespace niwaki::kernels {

void winograd_f32_f32_f32_x86_avx512(const WinogradF32Args& args) { winograd<simd::Avx512>(args); }

}  // namespace niwaki::kernels
