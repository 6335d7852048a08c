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

// Whether a step of outputs, beside row y, fetches the next step's weights: once, and where they
// are more than what stays in L1. Those of deep layers lie far off (512 to 512 at 7x7 within a
// network: 101 instead of 117 us on a Zen 4 core).
inline bool fetches_ahead(const BinaryWindow& w, std::int64_t y) {
  constexpr std::int64_t kManyWords = 32;  // of an output
  return y == 0 && w.kernel_h * w.kernel_w * w.words > kManyWords;
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

// Columns of a window's rows that are counted at once.
constexpr std::int64_t kOnesColumns = 512;

// Count the ones of `count` columns of the padded input, each over the rows of the windows of
// output row y.
template <class Popcount>
inline void count_columns(const WindowOnesArgs& args, std::int64_t y, std::int64_t begin,
                          std::int64_t count, std::int32_t* columns, const Popcount& popcount) {
  const BinaryWindow& w = args.window;
  for (std::int64_t c = 0; c < count; ++c) columns[c] = 0;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    const std::int64_t row = y * w.stride_h + i * w.dilation_h;
    const std::uint64_t* a = args.input + (row * w.padded_w + begin) * w.words;
    for (std::int64_t c = 0; c < count; ++c) {
      for (std::int64_t k = 0; k < w.words; ++k) columns[c] += popcount(*a++);
    }
  }
}

// Windows share their columns: a column's ones are counted once for an output row, then a window is
// the sum of its columns.
template <class Popcount>
void window_ones(const WindowOnesArgs& args, const Popcount& popcount) {
  const BinaryWindow& w = args.window;
  const std::int64_t reach = (w.kernel_w - 1) * w.dilation_w + 1;
  // A window wider than the buffer is counted tap by tap, a column at a time.
  const bool wide = reach > kOnesColumns;
  const std::int64_t step = wide ? 1 : (kOnesColumns - reach) / w.stride_w + 1;
  std::int32_t columns[kOnesColumns];
  for (std::int64_t y = 0; y < w.out_height; ++y) {
    std::int32_t* ones = args.ones + y * w.out_width;
    for (std::int64_t x = 0; x < w.out_width; x += step) {
      const std::int64_t end = x + step < w.out_width ? x + step : w.out_width;
      const std::int64_t begin = x * w.stride_w;
      if (!wide) {
        count_columns(args, y, begin, (end - x - 1) * w.stride_w + reach, columns, popcount);
      }
      for (std::int64_t at = x; at < end; ++at) {
        std::int32_t sum = 0;
        for (std::int64_t j = 0; j < w.kernel_w; ++j) {
          const std::int64_t column = at * w.stride_w + j * w.dilation_w;
          if (wide) {
            std::int32_t one = 0;
            count_columns(args, y, column, 1, &one, popcount);
            sum += one;
          } else {
            sum += columns[column - begin];
          }
        }
        ones[at] = sum;
      }
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
