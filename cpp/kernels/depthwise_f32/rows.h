// Depthwise rows in vectors; compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <algorithm>
#include <limits>

#include "depthwise_f32/depthwise_f32.h"

namespace niwaki::kernels {
namespace {

// One output channel: where it reads and writes, and what its sums become. No activation, ReLU and
// clip are bounds, which cost less than a branch; the others follow the bounds of none.
template <class S>
struct Channel {
  using Vector = typename S::Vector;

  const float* input;
  std::int64_t input_row;
  const float* weights;
  float* output;
  const float* residual;
  std::int64_t residual_row;
  std::int64_t width, row;
  Vector bias, lo, hi;
  const Activation* other;  // nullptr where the bounds are all

  // Out of line: it costs an exponential or so a lane anyway.
  static __attribute__((noinline)) Vector activate_other(const Activation& activation, Vector x) {
    float lanes[S::kLanes];
    S::store(lanes, x);
    activate<S::kLanes>(lanes, activation);
    return S::load(lanes);
  }

  // Store the sums (bias within) of kLanes pixels from (y, x) on; kTail: the row ends within them.
  template <bool kTail>
  NIWAKI_INLINE void store(std::int64_t y, std::int64_t x, Vector sum) const {
    if (residual != nullptr) sum = S::add(sum, S::load(residual + y * residual_row + x));
    sum = S::min(hi, S::max(lo, sum));
    if (other != nullptr) [[unlikely]] {
      sum = activate_other(*other, sum);
    }
    float* to = output + y * row + x;
    if constexpr (kTail) {
      sum = S::keep(sum, simd::first_bits(width - x));
      if (row - x < S::kLanes) return S::store_masked(to, simd::first_bits(row - x), sum);
    }
    S::store(to, sum);
  }
};

// x[j] = kLanes pixels' taps of column j.
template <class S, int kColumns, int kStride>
NIWAKI_INLINE void load_taps(const float* row, typename S::Vector (&x)[kColumns]) {
  if constexpr (kStride == 1) {
    for (int j = 0; j < kColumns; ++j) x[j] = S::load(row + j);
  } else {
    for (int j = 0; j < kColumns; j += 2) {
      typename S::Vector odd;
      S::deinterleave(S::load(row + j), S::load(row + j + S::kLanes), x[j], odd);
      if (j + 1 < kColumns) x[j + 1] = odd;
    }
  }
}

// kRows output rows from y on, kSide x kSide window, no dilation: an input row is loaded once for
// all output rows that it meets.
template <class S, int kSide, int kStride, int kRows>
void square_rows(const Channel<S>& of_channel, std::int64_t y) {
  using Vector = typename S::Vector;
  const Channel<S> channel = of_channel;  // a copy that stores can't change: it stays in registers
  const float* rows = channel.input + y * kStride * channel.input_row;
  Vector w[kSide][kSide];
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < kSide; ++j) w[i][j] = S::broadcast(channel.weights[i * kSide + j]);
  }
  const auto tile = [&]<bool kTail>(std::int64_t x) __attribute__((always_inline)) {
    Vector sums[kRows];
    for (int o = 0; o < kRows; ++o) sums[o] = channel.bias;
#pragma GCC unroll 24
    for (int r = 0; r < (kRows - 1) * kStride + kSide; ++r) {
      Vector taps[kSide];
      load_taps<S, kSide, kStride>(rows + r * channel.input_row + x * kStride, taps);
#pragma GCC unroll 8
      for (int o = 0; o < kRows; ++o) {
        const int i = r - o * kStride;
        if (i < 0 || i >= kSide) continue;
        for (int j = 0; j < kSide; ++j) sums[o] = S::fma(taps[j], w[i][j], sums[o]);
      }
    }
#pragma GCC unroll 8
    for (int o = 0; o < kRows; ++o) channel.template store<kTail>(y + o, x, sums[o]);
  };
  std::int64_t x = 0;
  for (; x + S::kLanes <= channel.width; x += S::kLanes) tile.template operator()<false>(x);
  if (x < channel.width) tile.template operator()<true>(x);
}

// One output row of any window.
template <class S, int kStride>
void any_row(const Channel<S>& channel, const Window& window, std::int64_t y) {
  const float* row = channel.input + y * window.stride_h * channel.input_row;
  for (std::int64_t x = 0; x < channel.width; x += S::kLanes) {
    typename S::Vector sum = channel.bias;
    const float* weight = channel.weights;
    for (std::int64_t i = 0; i < window.kernel_h; ++i) {
      const float* taps = row + i * window.dilation_h * channel.input_row + x * kStride;
      for (std::int64_t j = 0; j < window.kernel_w; ++j, taps += window.dilation_w, ++weight) {
        typename S::Vector pixels[1];
        load_taps<S, 1, kStride>(taps, pixels);
        sum = S::fma(pixels[0], S::broadcast(*weight), sum);
      }
    }
    channel.template store<true>(y, x, sum);
  }
}

template <class S, int kSide, int kStride>
void square_channel(const Channel<S>& channel, std::int64_t rows) {
  // More rows share more loads, as long as weights, sums and a row's taps fit the registers. Maps
  // of networks have 7 * 2^k rows.
  constexpr int kRows = kSide == 3 && S::kRegisters >= 32 ? 7 : 4;
  std::int64_t y = 0;
  for (; y + kRows <= rows; y += kRows) square_rows<S, kSide, kStride, kRows>(channel, y);
  if constexpr (kRows > 4) {
    if (y + 4 <= rows) {
      square_rows<S, kSide, kStride, 4>(channel, y);
      y += 4;
    }
  }
  const std::int64_t left = rows - y;
  if (left == 3) square_rows<S, kSide, kStride, 3>(channel, y);
  if (left == 2) square_rows<S, kSide, kStride, 2>(channel, y);
  if (left == 1) square_rows<S, kSide, kStride, 1>(channel, y);
}

template <class S, int kStride>
void run_channel(const Channel<S>& channel, const Window& window, std::int64_t rows) {
  const bool square = window.kernel_h == window.kernel_w && window.stride_h == kStride &&
                      window.dilation_h == 1 && window.dilation_w == 1;
  if (square && window.kernel_h == 3) return square_channel<S, 3, kStride>(channel, rows);
  if (square && window.kernel_h == 5) return square_channel<S, 5, kStride>(channel, rows);
  if (square && window.kernel_h == 7) return square_channel<S, 7, kStride>(channel, rows);
  for (std::int64_t y = 0; y < rows; ++y) any_row<S, kStride>(channel, window, y);
}

template <class S>
void depthwise(const DepthwiseF32Args& args) {
  constexpr float kEndless = std::numeric_limits<float>::infinity();
  const ActivationKind kind = args.activation.kind;
  const bool clip = kind == ActivationKind::clip;
  Channel<S> channel;
  channel.input_row = args.input_row;
  channel.residual_row = args.residual_row;
  channel.width = args.width;
  channel.row = args.row;
  channel.lo = S::broadcast(kind == ActivationKind::relu ? 0
                            : clip                       ? args.activation.lo
                                                         : -kEndless);
  channel.hi = S::broadcast(clip ? args.activation.hi : kEndless);
  const bool bounds = kind == ActivationKind::none || kind == ActivationKind::relu || clip;
  channel.other = bounds ? nullptr : &args.activation;
  // Where the last vector ends before the row does, the last columns are pads alone.
  const std::int64_t covered =
      std::min((args.width + S::kLanes - 1) / S::kLanes * S::kLanes, args.row);
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    channel.input = args.input + o / args.per_input * args.input_plane;
    channel.weights = args.weights + o * args.window.kernel_h * args.window.kernel_w;
    channel.output = args.output + o * args.output_plane;
    channel.residual = args.residual == nullptr ? nullptr : args.residual + o * args.residual_plane;
    channel.bias = S::broadcast(args.bias == nullptr ? 0.0F : args.bias[o]);
    if (args.window.stride_w == 1) {
      run_channel<S, 1>(channel, args.window, args.rows);
    } else {
      run_channel<S, 2>(channel, args.window, args.rows);
    }
    for (std::int64_t y = 0; y < args.rows && covered < args.row; ++y) {
      std::fill(channel.output + y * args.row + covered, channel.output + (y + 1) * args.row, 0.0F);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
