#include "sparse_conv_f32/tiles.h"

namespace niwaki::kernels {

void sparse_conv_f32_f32_f32_x86_avx512(const SparseConvF32Args& args) {
  run_sparse_conv<simd::Avx512>(args);
}
void sparse_conv4_f32_f32_f32_x86_avx512(const SparseConv4F32Args& args) {
  run_sparse_conv<simd::Avx512>(args);
}

}  // namespace niwaki::kernels
