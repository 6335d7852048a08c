#include "winograd_phases_f32/chunk.h"

namespace niwaki::kernels {

void winograd_phases_f32_f32_f32_portable(const WinogradPhasesF32Args& args) {
  winograd_phases<simd::Portable>(args);
}

}  // namespace niwaki::kernels
