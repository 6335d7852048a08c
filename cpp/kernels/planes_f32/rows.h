// The kernels of every instruction set, as templates over its vectors (common/simd.h).
#pragma once

#include <algorithm>
#include <limits>

#include "common/simd.h"
#include "common/store.h"
#include "planes_f32/planes_f32.h"

namespace niwaki::kernels {
namespace {

template <class S>
void map_planes(const MapPlanesF32Args& args) {
  using Vector = typename S::Vector;
  for (std::int64_t c = 0; c < args.channels; ++c) {
    const float* a = args.a + c * args.a_plane;
    const float* b = args.b == nullptr ? nullptr : args.b + c * args.b_plane;
    float* output = args.output + c * args.output_plane;
    const bool scaled = args.scale != nullptr;
    const Vector scale = S::broadcast(scaled ? args.scale[c * args.scale_stride] : 1.0F);
    const Vector bias = S::broadcast(args.bias == nullptr ? 0.0F : args.bias[c]);
    for (std::int64_t p = 0; p < args.pixels; p += S::kLanes) {
      Vector x = S::load(a + p);
      if (b != nullptr) x = S::add(x, S::load(b + p));
      if (scaled) x = S::mul(x, scale);
      if (args.bias != nullptr) x = S::add(x, bias);
      activate_sums<S, 1>(args.activation, &x);
      if (args.mask != nullptr) x = S::keep(x, simd::bits_at(args.mask, p));
      const std::int64_t left = args.pixels - p;
      if (left >= S::kLanes) {
        S::store(output + p, x);
      } else {
        S::store_masked(output + p, simd::first_bits(left), x);
      }
    }
  }
}

// The larger of each lane, NaN where one of them is: max keeps a NaN of its second argument only.
// The two maxima are the same bits but for zeros of both signs and NaNs, and what is or-ed with a
// NaN is one.
template <class S>
NIWAKI_INLINE typename S::Vector larger(typename S::Vector a, typename S::Vector b) {
  return S::bits_or(S::max(a, b), S::max(b, a));
}

template <class S, bool kAverage>
NIWAKI_INLINE typename S::Vector combine(typename S::Vector a, typename S::Vector b) {
  if constexpr (kAverage) {
    return S::add(a, b);
  } else {
    return larger<S>(a, b);
  }
}

// The window's rows of one output row, brought together: buffer[x] for the image's columns.
template <class S, bool kAverage>
void reduce_rows(const float* rows, std::int64_t row, std::int64_t count, std::int64_t width,
                 float* buffer) {
  for (std::int64_t x = 0; x < width; x += S::kLanes) {
    auto total = S::load(rows + x);
    for (std::int64_t y = 1; y < count; ++y) {
      total = combine<S, kAverage>(total, S::load(rows + y * row + x));
    }
    if (width - x >= S::kLanes) {
      S::store(buffer + x, total);
    } else {  // what lies behind is the pad
      S::store_masked(buffer + x, simd::first_bits(width - x), total);
    }
  }
}

// Windows of the buffer's columns, `stride` apart, `count` of them or kLanes.
template <class S, bool kAverage>
NIWAKI_INLINE typename S::Vector reduce_columns(const float* at, std::int64_t count,
                                                std::int64_t kernel, std::int64_t stride) {
  if (stride == 1) {
    auto total = S::load(at);
    for (std::int64_t j = 1; j < kernel; ++j) {
      total = combine<S, kAverage>(total, S::load(at + j));
    }
    return total;
  }
  if (stride == 2) {
    typename S::Vector even, odd;
    S::deinterleave(S::load(at), S::load(at + S::kLanes), even, odd);
    auto total = even;
    for (std::int64_t j = 1; j < kernel; ++j) {
      if (j % 2 == 0) S::deinterleave(S::load(at + j), S::load(at + j + S::kLanes), even, odd);
      total = combine<S, kAverage>(total, j % 2 == 0 ? even : odd);
    }
    return total;
  }
  float values[S::kLanes] = {};
  auto total = S::zero();
  const std::int64_t lanes = std::min<std::int64_t>(count, S::kLanes);
  for (std::int64_t j = 0; j < kernel; ++j) {
    for (std::int64_t k = 0; k < lanes; ++k) values[k] = at[k * stride + j];
    total = j == 0 ? S::load(values) : combine<S, kAverage>(total, S::load(values));
  }
  return total;
}

template <class S, bool kAverage>
void pool_channels(const PoolPlanesF32Args& args) {
  const Planes& in = args.in;
  const Planes& out = args.out;
  const Window& w = args.window;
  const float border = kAverage ? 0.0F : -std::numeric_limits<float>::infinity();
  // Behind the last window's columns only lanes read that the store leaves out.
  const std::int64_t columns = pool_columns(in, out, w);
  float* inverse = args.scratch;  // of each column's count
  float* buffer = inverse + out.row + kPixelBlock;
  std::fill(buffer, buffer + columns + 2 * kPixelBlock, border);
  if constexpr (kAverage) {
    for (std::int64_t x = 0; x < out.width; ++x) {
      const std::int64_t left = x * w.stride_w - w.pad_left;
      const std::int64_t right = left + w.kernel_w;
      const std::int64_t first = args.count_include_pad ? left : std::max<std::int64_t>(left, 0);
      const std::int64_t last = args.count_include_pad ? std::min(right, in.width + w.pad_right)
                                                       : std::min(right, in.width);
      inverse[x] = 1.0F / static_cast<float>(last - first);
    }
  }
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t y = 0; y < out.height; ++y) {
      const std::int64_t top = y * w.stride_h - w.pad_top;
      const std::int64_t bottom = top + w.kernel_h;
      const std::int64_t first = std::max<std::int64_t>(top, 0);
      const std::int64_t last = std::min(bottom, in.height);
      reduce_rows<S, kAverage>(args.input + c * in.plane + first * in.row, in.row, last - first,
                               in.width, buffer + w.pad_left);
      const std::int64_t rows =
          args.count_include_pad ? std::min(bottom, in.height + w.pad_bottom) - top : last - first;
      const auto scale = S::broadcast(1.0F / static_cast<float>(rows));
      float* output = args.output + c * out.plane + y * out.row;
      for (std::int64_t x = 0; x < out.row; x += S::kLanes) {
        auto total = S::zero();
        if (x < out.width) {
          total = reduce_columns<S, kAverage>(buffer + x * w.stride_w, out.width - x, w.kernel_w,
                                              w.stride_w);
          if constexpr (kAverage) total = S::mul(S::mul(total, scale), S::load(inverse + x));
          total = S::keep(total, simd::first_bits(out.width - x));
        }
        S::store_masked(output + x, simd::first_bits(out.row - x), total);
      }
    }
  }
}

// The whole image is the window: pixels lie in a row, pad columns add zeros.
template <class S>
void average_images(const PoolPlanesF32Args& args) {
  const Planes& in = args.in;
  const std::int64_t pixels = in.pixels();
  const float inverse = 1.0F / static_cast<float>(in.height * in.width);
  for (std::int64_t c = 0; c < args.channels; ++c) {
    const float* from = args.input + c * in.plane;
    auto total = S::zero();
    std::int64_t p = 0;
    for (; p + S::kLanes <= pixels; p += S::kLanes) total = S::add(total, S::load(from + p));
    if (p < pixels) {
      total = S::add(total, S::keep(S::load(from + p), simd::first_bits(pixels - p)));
    }
    float* output = args.output + c * args.out.plane;
    output[0] = S::sum(total) * inverse;
    for (std::int64_t x = 1; x < args.out.row; ++x) output[x] = 0;
  }
}

template <class S>
void pool_planes(const PoolPlanesF32Args& args) {
  const Window& w = args.window;
  const bool whole = args.out.height == 1 && args.out.width == 1 && w.pad_top == 0 &&
                     w.pad_left == 0 && w.kernel_h == args.in.height && w.kernel_w == args.in.width;
  if (args.average && whole) return average_images<S>(args);
  if (args.average) return pool_channels<S, true>(args);
  return pool_channels<S, false>(args);
}

}  // namespace
}  // namespace niwaki::kernels
