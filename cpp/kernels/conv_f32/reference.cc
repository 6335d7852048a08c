#include "conv_f32/conv_f32.h"

namespace niwaki::kernels {

void conv_sparse_f32_f32_f32_reference(const ConvSparseF32Args& args) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      float sum = 0;
      for (std::int32_t e = args.starts[o]; e < args.starts[o + 1]; ++e) {
        sum += args.entries[e].value * args.input[args.entries[e].offset + p];
      }
      args.output[o * args.output_stride + p] = sum;
    }
  }
}

void conv_dense_f32_f32_f32_reference(const ConvDenseF32Args& args) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    const float* block = args.weights + o / kDenseBlock * args.taps * kDenseBlock;
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      float sum = 0;
      for (std::int64_t t = 0; t < args.taps; ++t) {
        sum += block[t * kDenseBlock + o % kDenseBlock] * args.input[args.offsets[t] + p];
      }
      args.output[o * args.output_stride + p] = sum;
    }
  }
}

}  // namespace niwaki::kernels
