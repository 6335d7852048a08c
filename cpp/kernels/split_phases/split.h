// The split for one instruction set: see split_phases.h. Compiled once per set, hence the anonymous
// namespace.
#pragma once

#include <algorithm>
#include <cstring>

#include "common/simd.h"
#include "split_phases/split_phases.h"

namespace niwaki::kernels {
namespace {

// Copy `count` elements, `stride` apart.
template <class S>
void copy_strided(const float* from, std::int64_t stride, std::int64_t count, float* to) {
  constexpr std::int64_t kLanes = S::kLanes;
  if (stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  if (stride != 2) {
    for (std::int64_t k = 0; k < count; ++k) to[k] = from[k * stride];
    return;
  }
  typename S::Vector even;
  typename S::Vector odd;
  for (; count >= kLanes; count -= kLanes, from += 2 * kLanes, to += kLanes) {
    S::deinterleave(S::load(from), S::load(from + kLanes), even, odd);
    S::store(to, even);
  }
  if (count > 0) {
    const auto low = S::load_masked(from, simd::first_bits(2 * count));
    const auto high = S::load_masked(from + kLanes, simd::first_bits(2 * count - kLanes));
    S::deinterleave(low, high, even, odd);
    S::store_masked(to, simd::first_bits(count), even);
  }
}

// How many of u = 0, 1 ... have first + u * stride < limit.
NIWAKI_INLINE std::int64_t steps_below(std::int64_t first, std::int64_t stride,
                                       std::int64_t limit) {
  return first >= limit ? 0 : (limit - first + stride - 1) / stride;
}

template <class S>
void split_plane(const SplitPhasesF32Args& args, const PhasePlane& plane, const float* input,
                 float* output) {
  std::memset(output - args.margin, 0, static_cast<std::size_t>(args.margin) * sizeof(float));
  // Columns [left, right) of every row come from the image.
  const std::int64_t left = std::min(steps_below(plane.first_x, args.stride_w, 0), args.row);
  const std::int64_t right =
      std::clamp(steps_below(plane.first_x, args.stride_w, args.width), left, args.row);
  for (std::int64_t r = 0; r < plane.rows; ++r, output += args.row) {
    const std::int64_t y = plane.first_y + r * args.stride_h;
    if (y < 0 || y >= args.height || left == right) {
      std::memset(output, 0, static_cast<std::size_t>(args.row) * sizeof(float));
      continue;
    }
    std::fill(output, output + left, 0.0F);
    copy_strided<S>(input + y * args.input_row + plane.first_x + left * args.stride_w,
                    args.stride_w, right - left, output + left);
    std::fill(output + right, output + args.row, 0.0F);
  }
}

template <class S>
void run_split_phases(const SplitPhasesF32Args& args) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t k = 0; k < args.plane_count; ++k) {
      const PhasePlane& plane = args.planes[k];
      split_plane<S>(args, plane, args.input + c * args.input_plane,
                     args.output + c * args.channel + plane.offset);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
