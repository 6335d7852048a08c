// Splitting padded planes by the strides of a window, so that every tap becomes one offset.
//
// Each channel of the input is copied into a few planes of `row` columns. Plane k holds
//
//   plane_k[r][u] = input[first_y + r * stride_h][first_x + u * stride_w]
//
// for r in [0, rows), u in [0, row), zero where that lies outside the image. Which planes a window
// needs is engine/conv/phases.h's knowledge. Channel c's plane k begins at output + c * channel +
// offset_k; `margin` elements before it are zeros, too (what its first row has on its left).
//
// Assumption: kReadsPastEnd: one element behind a row's last is readable.
#pragma once

#include <cstdint>

#include "common/table.h"

namespace niwaki::kernels {

struct PhasePlane {
  std::int64_t offset;            // within a channel of the output
  std::int64_t first_y, first_x;  // may be negative
  std::int64_t rows;
};

struct SplitPhasesF32Args {
  const float* input;  // origin of one image
  std::int64_t channels, height, width, input_row, input_plane;
  std::int64_t stride_h, stride_w;
  const PhasePlane* planes;
  std::int64_t plane_count;
  std::int64_t row, margin, channel;  // of the output, in elements
  float* output;
};

NIWAKI_OP(SplitPhasesF32, SplitPhasesF32Args);

}  // namespace niwaki::kernels
