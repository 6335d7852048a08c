#include "dense_conv_f32/rows.h"

namespace niwaki::kernels {

void dense_conv_f32_f32_f32_portable(const DenseConvF32Args& args) {
  dense_conv<simd::Portable>(args);
}

}  // namespace niwaki::kernels
