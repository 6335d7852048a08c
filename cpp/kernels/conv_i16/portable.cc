#include "conv_i16/conv_i16.h"

namespace niwaki::kernels {
namespace {

void add_pair(std::int32_t* acc, const std::int16_t* x0, const std::int16_t* x1,
              std::int32_t value0, std::int32_t value1) {
  for (std::int64_t p = 0; p < kPixelBlock; ++p) {
    acc[p] += value0 * x0[p] + value1 * x1[p];
  }
}

void store(std::int32_t* output, const std::int32_t* acc) {
  for (std::int64_t p = 0; p < kPixelBlock; ++p) {
    output[p] = acc[p];
  }
}

}  // namespace

void conv_sparse_i16_i8_i32_portable(const ConvSparseI16Args& args) {
  for (std::int64_t p = 0; p < args.pixels; p += kPixelBlock) {
    const std::int16_t* input = args.input + p;
    for (std::int64_t o = 0; o < args.outputs; ++o) {
      std::int32_t acc[kPixelBlock] = {};
      for (std::int32_t e = args.starts[o]; e < args.starts[o + 1]; ++e) {
        const SparsePairI16& pair = args.entries[e];
        add_pair(acc, input + pair.offset[0], input + pair.offset[1], pair.value[0], pair.value[1]);
      }
      store(args.output + o * args.output_stride + p, acc);
    }
  }
}

void conv_dense_i16_i8_i32_portable(const ConvDenseI16Args& args) {
  for (std::int64_t p = 0; p < args.pixels; p += kPixelBlock) {
    const std::int16_t* input = args.input + p;
    for (std::int64_t o = 0; o < args.outputs; ++o) {
      const std::int16_t* weights =
          args.weights + (o / kDenseBlock * args.pairs * kDenseBlock + o % kDenseBlock) * 2;
      std::int32_t acc[kPixelBlock] = {};
      for (std::int64_t t = 0; t < args.pairs; ++t, weights += 2 * kDenseBlock) {
        add_pair(acc, input + args.offsets[2 * t], input + args.offsets[2 * t + 1], weights[0],
                 weights[1]);
      }
      store(args.output + o * args.output_stride + p, acc);
    }
  }
}

}  // namespace niwaki::kernels
