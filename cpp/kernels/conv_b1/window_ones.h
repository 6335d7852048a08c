// The loop of WindowOnes, and where a window's pixels are; compiled once per instruction set, hence
// the anonymous namespace.
#pragma once

#include "conv_b1/conv_b1.h"

namespace niwaki::kernels {
namespace {

// Return the words of the window's first pixel; tap (i, j) lies (i * dilation_h * padded_w +
// j * dilation_w) pixels further on.
inline const std::uint64_t* window_start(const std::uint64_t* input, const BinaryWindow& w,
                                         std::int64_t y, std::int64_t x) {
  return input + (y * w.stride_h * w.padded_w + x * w.stride_w) * w.words;
}

inline std::int64_t tap_step(const BinaryWindow& w, std::int64_t i, std::int64_t j) {
  return (i * w.dilation_h * w.padded_w + j * w.dilation_w) * w.words;
}

// Store one sum.
inline void put_sum(const ConvB1Args& args, std::int64_t o, std::int64_t y, std::int64_t x,
                    std::int32_t acc) {
  args.output[o * args.output_stride + y * args.output_row_width + x] = acc;
}
inline void put_sum(const PlanesB1Args& args, std::int64_t o, std::int64_t y, std::int64_t x,
                    std::int32_t acc) {
  float sum = static_cast<float>(acc) * args.scale[o];
  if (args.residual != nullptr) {
    sum = sum + args.residual[o * args.residual_stride + y * args.residual_row_width + x];
  }
  args.output[o * args.output_stride + y * args.output_row_width + x] = sum;
}

template <class Popcount>
void window_ones(const WindowOnesArgs& args, const Popcount& popcount) {
  const BinaryWindow& w = args.window;
  for (std::int64_t y = 0; y < w.out_height; ++y) {
    for (std::int64_t x = 0; x < w.out_width; ++x) {
      const std::uint64_t* start = window_start(args.input, w, y, x);
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < w.kernel_h; ++i) {
        for (std::int64_t j = 0; j < w.kernel_w; ++j) {
          const std::uint64_t* a = start + tap_step(w, i, j);
          for (std::int64_t k = 0; k < w.words; ++k) {
            sum += popcount(a[k]);
          }
        }
      }
      args.ones[y * w.out_width + x] = sum;
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
