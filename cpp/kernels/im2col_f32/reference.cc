#include "im2col_f32/im2col_f32.h"

namespace niwaki::kernels {

void im2col_f32_f32_f32_reference(const Im2colF32Args& args) {
  for (std::int64_t t = 0; t < args.tap_count; ++t) {
    for (std::int64_t r = 0; r < args.run_count; ++r) {
      for (std::int64_t k = 0; k < args.runs[r].count; ++k) {
        args.panel[t * kPanelPixels + args.runs[r].first + k] =
            args.input[args.runs[r].from + args.taps[t] + k * args.step];
      }
    }
  }
}

void gemm_f32_f32_f32_reference(const GemmF32Args& args) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    const float* weights =
        args.weights + o / kGemmOutputs * args.tap_count * kGemmOutputs + o % kGemmOutputs;
    for (std::int64_t k = 0; k < kPanelPixels; ++k) {
      const std::int64_t p = args.first_pixel + k;
      if (p >= args.store.pixels) break;
      float value[1] = {0};
      if (args.store.mask == nullptr || (args.store.mask[p / 32] >> (p % 32) & 1U) != 0) {
        for (std::int64_t t = 0; t < args.tap_count; ++t) {
          value[0] += weights[t * kGemmOutputs] * args.panel[t * kPanelPixels + k];
        }
        if (args.bias != nullptr) value[0] += args.bias[o];
        if (args.residual != nullptr) {
          value[0] += args.residual[o * args.store.residual_plane + p];
        }
        activate<1>(value, args.store.activation);
      }
      args.output[o * args.output_plane + p] = value[0];
    }
  }
}

}  // namespace niwaki::kernels
