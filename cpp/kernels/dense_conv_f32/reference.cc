#include <algorithm>
#include <cmath>

#include "dense_conv_f32/dense_conv_f32.h"

namespace niwaki::kernels {

void dense_conv_f32_f32_f32_reference(const DenseConvF32Args& args) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    for (std::int64_t p = 0; p < args.rows * args.row; ++p) {
      const std::int64_t y = p / args.row;
      const std::int64_t x = p % args.row;
      float sum = 0;
      if (x < args.width) {
        for (std::int64_t t = 0; t < args.tap_count; ++t) {
          sum += args.weights[t * kDenseConvBlock + o] *
                 args.input[args.taps[t] + y * args.row_step + x * args.step];
        }
      }
      float sums[1] = {sum};
      if (args.bias != nullptr) sums[0] += args.bias[o];
      if (args.residual != nullptr) sums[0] += args.residual[o * args.store.residual_plane + p];
      activate<1>(sums, args.store.activation);
      args.output[o * args.output_plane + p] = x < args.width ? sums[0] : 0.0F;
    }
  }
}

}  // namespace niwaki::kernels
