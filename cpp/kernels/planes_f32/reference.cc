#include <algorithm>
#include <cmath>
#include <limits>

#include "epilogue/activations.h"
#include "planes_f32/planes_f32.h"

namespace niwaki::kernels {

void map_planes_f32_reference(const MapPlanesF32Args& args) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      float& to = args.output[c * args.output_plane + p];
      const bool pixel = args.mask == nullptr || (args.mask[p / 32] >> (p % 32) & 1U) != 0;
      float x[1] = {args.a[c * args.a_plane + p]};
      if (args.b != nullptr) x[0] += args.b[c * args.b_plane + p];
      if (args.scale != nullptr) x[0] *= args.scale[c * args.scale_stride];
      if (args.bias != nullptr) x[0] += args.bias[c];
      activate<1>(x, args.activation);
      to = pixel ? x[0] : 0;
    }
  }
}

void pool_planes_f32_reference(const PoolPlanesF32Args& args) {
  const Window& w = args.window;
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t y = 0; y < args.out.height; ++y) {
      for (std::int64_t x = 0; x < args.out.row; ++x) {
        float& to = args.output[c * args.out.plane + y * args.out.row + x];
        to = 0;
        if (x >= args.out.width) continue;
        float sum = 0;
        float largest = -std::numeric_limits<float>::infinity();
        std::int64_t inside = 0, padded = 0;
        for (std::int64_t i = 0; i < w.kernel_h; ++i) {
          for (std::int64_t j = 0; j < w.kernel_w; ++j) {
            const std::int64_t row = y * w.stride_h - w.pad_top + i;
            const std::int64_t column = x * w.stride_w - w.pad_left + j;
            if (row < args.in.height + w.pad_bottom && column < args.in.width + w.pad_right) {
              ++padded;
            }
            if (row < 0 || row >= args.in.height || column < 0 || column >= args.in.width) continue;
            const float value = args.input[c * args.in.plane + row * args.in.row + column];
            ++inside;
            sum += value;
            if (std::isnan(value) || value > largest) largest = value;
            if (std::isnan(value)) sum = value;
          }
        }
        const auto count = static_cast<float>(args.count_include_pad ? padded : inside);
        to = args.average ? sum / count : largest;
      }
    }
  }
}

}  // namespace niwaki::kernels
