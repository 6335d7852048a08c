#include "sparse_conv_f32/tiles.h"

namespace niwaki::kernels {

void sparse_conv_f32_f32_f32_x86_avx2(const SparseConvF32Args& args) {
  run_sparse_conv<simd::Avx2>(args);
}
void sparse_conv4_f32_f32_f32_x86_avx2(const SparseConv4F32Args& args) {
  run_sparse_conv<simd::Avx2>(args);
}

}  // namespace niwaki::kernels
