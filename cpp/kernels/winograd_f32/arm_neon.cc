#include "winograd_f32/chunk.h"

namespace niwaki::kernels {

void winograd_f32_f32_f32_arm_neon(const WinogradF32Args& args) { winograd<simd::Neon>(args); }

}  // namespace niwaki::kernels
