#include "sparse_conv_f32/tiles.h"

namespace niwaki::kernels {

void sparse_conv_f32_f32_f32_portable(const SparseConvF32Args& args) {
  run_sparse_conv<simd::Portable>(args);
}
void sparse_conv4_f32_f32_f32_portable(const SparseConv4F32Args& args) {
  run_sparse_conv<simd::Portable>(args);
}

}  // namespace niwaki::kernels
