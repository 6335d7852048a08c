#include "conv_f32/conv_f32.h"

namespace niwaki::kernels {
namespace {

// One block of pixels of one output: the compiler keeps `acc` in registers of whatever width it
// has.
void add_scaled(float* acc, const float* input, float value) {
  for (std::int64_t p = 0; p < kPixelBlock; ++p) {
    acc[p] += value * input[p];
  }
}

}  // namespace

void conv_sparse_f32_f32_f32_portable(const ConvSparseF32Args& args) {
  for (std::int64_t p = 0; p < args.pixels; p += kPixelBlock) {
    for (std::int64_t o = 0; o < args.outputs; ++o) {
      float acc[kPixelBlock] = {};
      for (std::int32_t e = args.starts[o]; e < args.starts[o + 1]; ++e) {
        add_scaled(acc, args.input + args.entries[e].offset + p, args.entries[e].value);
      }
      float* output = args.output + o * args.output_stride + p;
      for (std::int64_t k = 0; k < kPixelBlock; ++k) {
        output[k] = acc[k];
      }
    }
  }
}

void conv_dense_f32_f32_f32_portable(const ConvDenseF32Args& args) {
  for (std::int64_t p = 0; p < args.pixels; p += kPixelBlock) {
    for (std::int64_t o = 0; o < args.outputs; ++o) {
      const float* weights =
          args.weights + o / kDenseBlock * args.taps * kDenseBlock + o % kDenseBlock;
      float acc[kPixelBlock] = {};
      for (std::int64_t t = 0; t < args.taps; ++t) {
        add_scaled(acc, args.input + args.offsets[t] + p, weights[t * kDenseBlock]);
      }
      float* output = args.output + o * args.output_stride + p;
      for (std::int64_t k = 0; k < kPixelBlock; ++k) {
        output[k] = acc[k];
      }
    }
  }
}

}  // namespace niwaki::kernels
