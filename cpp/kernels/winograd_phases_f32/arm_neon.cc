#include "winograd_phases_f32/chunk.h"

namespace niwaki::kernels {

void winograd_phases_f32_f32_f32_arm_neon(const WinogradPhasesF32Args& args) {
  winograd_phases<simd::Neon>(args);
}

}  // namespace niwaki::kernels
