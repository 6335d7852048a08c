#include "conv_i16/conv_i16.h"

namespace niwaki::kernels {

void conv_sparse_i16_i8_i32_reference(const ConvSparseI16Args& args) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      std::int32_t sum = 0;
      for (std::int32_t e = args.starts[o]; e < args.starts[o + 1]; ++e) {
        const SparsePairI16& pair = args.entries[e];
        sum += pair.value[0] * args.input[pair.offset[0] + p];
        sum += pair.value[1] * args.input[pair.offset[1] + p];
      }
      args.output[o * args.output_stride + p] = sum;
    }
  }
}

void conv_dense_i16_i8_i32_reference(const ConvDenseI16Args& args) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    const std::int16_t* block = args.weights + o / kDenseBlock * args.pairs * kDenseBlock * 2;
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      std::int32_t sum = 0;
      for (std::int64_t t = 0; t < 2 * args.pairs; ++t) {
        const std::int64_t pair = t / 2 * kDenseBlock + o % kDenseBlock;
        sum += block[pair * 2 + t % 2] * args.input[args.offsets[t] + p];
      }
      args.output[o * args.output_stride + p] = sum;
    }
  }
}

}  // namespace niwaki::kernels
