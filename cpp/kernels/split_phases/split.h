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
inline void copy_strided(const float* from, std::int64_t stride, std::int64_t count, float* to) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  for (std::int64_t k = 0; k < count; ++k) to[k] = from[k * stride];
}

// How many of u = 0, 1 ... have first + u * stride < limit.
NIWAKI_INLINE std::int64_t steps_below(std::int64_t first, std::int64_t stride,
                                       std::int64_t limit) {
  return first >= limit ? 0 : (limit - first + stride - 1) / stride;
}

inline void split_plane(const SplitPhasesF32Args& args, const PhasePlane& plane, const float* input,
                        float* output) {
  // Not memset: of nothing there may be no address.
  std::fill_n(output - args.margin, args.margin, 0.0F);
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
    copy_strided(input + y * args.input_row + plane.first_x + left * args.stride_w, args.stride_w,
                 right - left, output + left);
    std::fill(output + right, output + args.row, 0.0F);
  }
}

// Which columns of the image the vectors of a row of `stride_w` 2 read: the same for every row.
// Columns outside the image are masked, which makes the zeros of both pads.
constexpr int kMostVectors = 16;
struct RowMasks {
  int vectors = 0;
  simd::Bits low[kMostVectors], high[kMostVectors];  // of the two vectors loaded
  simd::Bits stored;                                 // of the last vector
};

// `first_x`: the column of lane 0, even steps from it are the first plane's.
template <class S>
RowMasks make_row_masks(const SplitPhasesF32Args& args, std::int64_t first_x) {
  constexpr std::int64_t kLanes = S::kLanes;
  RowMasks masks;
  masks.vectors = static_cast<int>((args.row + kLanes - 1) / kLanes);
  const auto inside = [&](std::int64_t x) {
    return simd::first_bits(args.width - x) & ~simd::first_bits(-x);
  };
  for (int v = 0; v < masks.vectors; ++v) {
    masks.low[v] = inside(first_x + 2 * v * kLanes);
    masks.high[v] = inside(first_x + 2 * v * kLanes + kLanes);
  }
  masks.stored = simd::first_bits(args.row - (masks.vectors - 1) * kLanes);
  return masks;
}

// Two planes at once whose columns are x and x + 1: each pair of vectors is loaded once. `odd` may
// be nullptr.
template <class S>
void split_pair(const SplitPhasesF32Args& args, const RowMasks& masks, const PhasePlane& plane,
                const float* input, float* even, float* odd) {
  constexpr std::int64_t kLanes = S::kLanes;
  std::fill_n(even - args.margin, args.margin, 0.0F);
  if (odd != nullptr) std::fill_n(odd - args.margin, args.margin, 0.0F);
  const int last = masks.vectors - 1;
  for (std::int64_t r = 0; r < plane.rows; ++r, even += args.row) {
    const std::int64_t y = plane.first_y + r * args.stride_h;
    const bool inside = y >= 0 && y < args.height;
    const float* from = input + (inside ? y : 0) * args.input_row + plane.first_x;
    for (int v = 0; v <= last; ++v) {
      const float* at = from + 2 * v * kLanes;
      const auto low = S::load_masked(at, inside ? masks.low[v] : 0);
      const auto high = S::load_masked(at + kLanes, inside ? masks.high[v] : 0);
      typename S::Vector evens;
      typename S::Vector odds;
      S::deinterleave(low, high, evens, odds);
      // Lanes behind the row's end belong to the next row, or to another plane.
      if (v < last) {
        S::store(even + v * kLanes, evens);
        if (odd != nullptr) S::store(odd + v * kLanes, odds);
      } else {
        S::store_masked(even + v * kLanes, masks.stored, evens);
        if (odd != nullptr) S::store_masked(odd + v * kLanes, masks.stored, odds);
      }
    }
    if (odd != nullptr) odd += args.row;
  }
}

// Strides of two, whose planes come in pairs mostly.
template <class S>
void split_by_two(const SplitPhasesF32Args& args) {
  for (std::int64_t k = 0; k < args.plane_count;) {
    const PhasePlane& plane = args.planes[k];
    const PhasePlane* next = k + 1 < args.plane_count ? &args.planes[k + 1] : nullptr;
    const bool paired = next != nullptr && next->first_y == plane.first_y &&
                        next->rows == plane.rows &&
                        (next->first_x - plane.first_x == 1 || plane.first_x - next->first_x == 1);
    const bool swapped = paired && next->first_x < plane.first_x;
    const PhasePlane& even = swapped ? *next : plane;
    const PhasePlane* odd = swapped ? &plane : paired ? next : nullptr;
    const RowMasks masks = make_row_masks<S>(args, even.first_x);
    for (std::int64_t c = 0; c < args.channels; ++c) {
      float* output = args.output + c * args.channel;
      split_pair<S>(args, masks, even, args.input + c * args.input_plane, output + even.offset,
                    odd == nullptr ? nullptr : output + odd->offset);
    }
    k += paired ? 2 : 1;
  }
}

template <class S>
void run_split_phases(const SplitPhasesF32Args& args) {
  if (args.stride_w == 2 && args.row <= kMostVectors * S::kLanes) return split_by_two<S>(args);
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t k = 0; k < args.plane_count; ++k) {
      const PhasePlane& plane = args.planes[k];
      split_plane(args, plane, args.input + c * args.input_plane,
                  args.output + c * args.channel + plane.offset);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
