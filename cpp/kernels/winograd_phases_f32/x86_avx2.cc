#include "winograd_phases_f32/chunk.h"

namespace niwaki::kernels {

void winograd_phases_f32_f32_f32_x86_avx2(const WinogradPhasesF32Args& args) {
  winograd_phases<simd::Avx2>(args);
}

}  // namespace niwaki::kernels
