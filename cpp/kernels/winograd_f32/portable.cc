#include "winograd_f32/chunk.h"

namespace niwaki::kernels {

void winograd_f32_f32_f32_portable(const WinogradF32Args& args) { winograd<simd::Portable>(args); }

}  // namespace niwaki::kernels
