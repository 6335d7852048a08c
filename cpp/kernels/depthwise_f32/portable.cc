#include "depthwise_f32/rows.h"

namespace niwaki::kernels {

void depthwise_f32_f32_f32_portable(const DepthwiseF32Args& args) {
  depthwise<simd::Portable>(args);
}

}  // namespace niwaki::kernels
