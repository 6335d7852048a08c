// Averages of windows of pixels, whose channels fill the vectors. Compiled once per instruction
// set, hence the anonymous namespace.
#pragma once

#include "common/simd.h"
#include "pixels_f32/pixels_f32.h"

namespace niwaki::kernels {
namespace {

// The rows or columns of a window that lie in the image, and how many lie in image and pads.
struct Span {
  std::int64_t begin, end, padded;
};

inline Span span_of(std::int64_t at, std::int64_t kernel, std::int64_t size, std::int64_t after) {
  const std::int64_t end = at + kernel < size + after ? at + kernel : size + after;
  return {at > 0 ? at : 0, end < size ? end : size, end - at};
}

template <class S>
void average_window(const AveragePixelsF32Args& args, const Span& rows, const Span& columns,
                    float scale, float* output) {
  const auto factor = S::broadcast(scale);
  for (std::int64_t c = 0; c < args.channels; c += S::kLanes) {
    const simd::Bits live = simd::first_bits(args.channels - c);
    auto sum = S::zero();
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      const float* row = args.input + i * args.width * args.channels + c;
      for (std::int64_t j = columns.begin; j < columns.end; ++j) {
        sum = S::add(sum, S::load_masked(row + j * args.channels, live));
      }
    }
    S::store_masked(output + c, live, S::mul(sum, factor));
  }
}

template <class S>
void average_pixels(const AveragePixelsF32Args& args) {
  const Window& w = args.window;
  float* output = args.output;
  for (std::int64_t y = 0; y < args.out_height; ++y) {
    const Span rows = span_of(y * w.stride_h - w.pad_top, w.kernel_h, args.height, w.pad_bottom);
    for (std::int64_t x = 0; x < args.out_width; ++x, output += args.channels) {
      const Span columns =
          span_of(x * w.stride_w - w.pad_left, w.kernel_w, args.width, w.pad_right);
      const std::int64_t inside = (rows.end - rows.begin) * (columns.end - columns.begin);
      const std::int64_t count = args.count_include_pad ? rows.padded * columns.padded : inside;
      average_window<S>(args, rows, columns, 1.0F / static_cast<float>(count), output);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
