#include "depthwise_f32/depthwise_f32.h"

namespace niwaki::kernels {

void depthwise_f32_f32_f32_reference(const DepthwiseF32Args& args) {
  const Window& window = args.window;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    const float* input = args.input + o / args.per_input * args.input_plane;
    const float* weights = args.weights + o * window.kernel_h * window.kernel_w;
    for (std::int64_t y = 0; y < args.rows; ++y) {
      for (std::int64_t x = 0; x < args.row; ++x) {
        float sums[1] = {0};
        if (x < args.width) {
          for (std::int64_t i = 0; i < window.kernel_h; ++i) {
            for (std::int64_t j = 0; j < window.kernel_w; ++j) {
              sums[0] += weights[i * window.kernel_w + j] *
                         input[(y * window.stride_h + i * window.dilation_h) * args.input_row +
                               x * window.stride_w + j * window.dilation_w];
            }
          }
          if (args.bias != nullptr) sums[0] += args.bias[o];
          if (args.residual != nullptr) {
            sums[0] += args.residual[o * args.residual_plane + y * args.residual_row + x];
          }
          activate<1>(sums, args.activation);
        }
        args.output[o * args.output_plane + y * args.row + x] = sums[0];
      }
    }
  }
}

}  // namespace niwaki::kernels
