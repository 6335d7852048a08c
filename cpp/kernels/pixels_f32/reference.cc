#include <algorithm>

#include "pixels_f32/pixels_f32.h"

namespace niwaki::kernels {

void pixels_of_planes_f32_reference(const PixelsOfPlanesF32Args& args) {
  const Planes& planes = args.planes;
  for (std::int64_t c = 0; c < planes.channels; ++c) {
    for (std::int64_t y = 0; y < planes.height; ++y) {
      for (std::int64_t x = 0; x < planes.width; ++x) {
        args.output[(y * planes.width + x) * planes.channels + c] =
            args.input[c * planes.plane + y * planes.row + x];
      }
    }
  }
}

void planes_of_pixels_f32_reference(const PlanesOfPixelsF32Args& args) {
  const Planes& planes = args.planes;
  for (std::int64_t c = 0; c < planes.channels; ++c) {
    for (std::int64_t y = 0; y < planes.height; ++y) {
      for (std::int64_t x = 0; x < planes.row; ++x) {
        args.output[c * planes.plane + y * planes.row + x] =
            x < planes.width ? args.input[(y * planes.width + x) * planes.channels + c] : 0;
      }
    }
  }
}

void threshold_pixels_f32_u1_reference(const ThresholdPixelsF32Args& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  for (std::int64_t p = 0; p < args.pixels; ++p) {
    for (std::int64_t c = 0; c < args.channels; ++c) {
      std::uint64_t& word = args.words[p * words + c / 64];
      if (c % 64 == 0) word = 0;
      const float x = args.input[p * args.channels + c];
      word |= std::uint64_t{(args.sign[c] < 0 ? -x : x) >= args.level[c]} << (c % 64);
    }
  }
}

void average_pixels_f32_reference(const AveragePixelsF32Args& args) {
  const Window& w = args.window;
  for (std::int64_t y = 0; y < args.out_height; ++y) {
    for (std::int64_t x = 0; x < args.out_width; ++x) {
      const std::int64_t top = y * w.stride_h - w.pad_top;
      const std::int64_t left = x * w.stride_w - w.pad_left;
      const std::int64_t bottom = std::min(top + w.kernel_h, args.height + w.pad_bottom);
      const std::int64_t right = std::min(left + w.kernel_w, args.width + w.pad_right);
      for (std::int64_t c = 0; c < args.channels; ++c) {
        float sum = 0;
        std::int64_t inside = 0;
        for (std::int64_t i = std::max<std::int64_t>(top, 0); i < std::min(bottom, args.height);
             ++i) {
          for (std::int64_t j = std::max<std::int64_t>(left, 0); j < std::min(right, args.width);
               ++j) {
            sum += args.input[(i * args.width + j) * args.channels + c];
            ++inside;
          }
        }
        const std::int64_t count =
            args.count_include_pad ? (bottom - top) * (right - left) : inside;
        args.output[(y * args.out_width + x) * args.channels + c] =
            sum * (1.0F / static_cast<float>(count));
      }
    }
  }
}

}  // namespace niwaki::kernels
