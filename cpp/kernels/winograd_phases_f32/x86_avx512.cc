#include "winograd_phases_f32/chunk.h"

namespace niwaki::kernels {

void winograd_phases_f32_f32_f32_x86_avx512(const WinogradPhasesF32Args& args) {
  winograd_phases<simd::Avx512>(args);
}

}  // namespace niwaki::kernels
