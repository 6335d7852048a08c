// Random windows and planes.
#pragma once

#include "check/check.h"
#include "common/plane_layout.h"

namespace niwaki::check {

inline kernels::Window draw_window(Random& random, std::int64_t most = 4, bool dilated = true) {
  kernels::Window w;
  w.kernel_h = random.integer(1, most);
  w.kernel_w = random.integer(1, most);
  w.stride_h = random.integer(1, 3);
  w.stride_w = random.integer(1, 3);
  w.dilation_h = dilated ? random.integer(1, 2) : 1;
  w.dilation_w = dilated ? random.integer(1, 2) : 1;
  w.pad_top = random.integer(0, 2);
  w.pad_left = random.integer(0, 2);
  w.pad_bottom = random.integer(0, 2);
  w.pad_right = random.integer(0, 2);
  return w;
}

// Sides that a window meets: small, or around a vector's width.
inline std::int64_t draw_side(Random& random) { return random.pick({1, 2, 3, 7, 8, 9, 17, 33}); }

// Entries of 0 to 12 outputs, some of them empty, as rising starts.
inline std::vector<std::int32_t> draw_starts(Random& random) {
  std::vector<std::int32_t> starts{0};
  const std::int64_t outputs = random.integer(0, 12);
  for (std::int64_t o = 0; o < outputs; ++o) {
    starts.push_back(starts.back() +
                     static_cast<std::int32_t>(random.chance(0.2) ? 0 : random.integer(0, 40)));
  }
  return starts;
}

inline std::int64_t whole_blocks(std::int64_t pixels) {
  return (pixels + kernels::kPixelBlock - 1) / kernels::kPixelBlock * kernels::kPixelBlock;
}

}  // namespace niwaki::check
