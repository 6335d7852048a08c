// Elementwise layers and pools of floats on padded planes (common/planes.h).
//
//   MapPlanesF32:   out[c][p] = act((a[c][p] + b[c][p]) * scale[c] + bias[c]) where p is a pixel,
//   else
//                   0. b, scale and bias may be nullptr: 0, 1, 0. All lie on one flat axis (the
//                   same row); out may be a or b. Adds, activations, affine layers and gates.
//   PoolPlanesF32:  the maximum, or sum / count, over each window's pixels inside the image;
//                   count = pixels inside the image, or with count_include_pad inside image and
//                   pads. Of a NaN in a maximum's window the result is NaN. Rows may differ.
//
// Both write zeros to pad columns and nothing behind the last row. Assumptions: dilations are 1 and
// every window touches the image (PoolPlanesF32); inputs are readable as planes.h says.
#pragma once

#include <cstdint>

#include "common/planes.h"
#include "common/table.h"
#include "epilogue/epilogue.h"

namespace niwaki::kernels {

struct MapPlanesF32Args {
  const float* a;
  const float* b;
  std::int64_t a_plane, b_plane;  // elements from channel to channel
  const float* scale;             // scale[c * scale_stride]
  std::int64_t scale_stride;
  const float* bias;  // (channels)
  Activation activation;
  const std::uint32_t* mask;  // pixel_mask of the output; nullptr: all are pixels
  std::int64_t channels, pixels;
  float* output;
  std::int64_t output_plane;
};

struct PoolPlanesF32Args {
  const float* input;
  Planes in;  // of which `channels` are pooled, from the pointers' channel on
  Window window;
  bool average, count_include_pad;
  std::int64_t channels;
  float* output;
  Planes out;
  float* scratch;  // pool_scratch elements
};

// Columns that the windows of one output row reach over, the image's included.
inline std::int64_t pool_columns(const Planes& in, const Planes& out, const Window& window) {
  const std::int64_t reached = (out.width - 1) * window.stride_w + window.kernel_w;
  const std::int64_t image = window.pad_left + in.width;
  return reached > image ? reached : image;
}

// The reciprocal of each output column's count, and one row of columns.
inline std::int64_t pool_scratch(const Planes& in, const Planes& out, const Window& window) {
  return out.row + pool_columns(in, out, window) + 3 * kPixelBlock;
}

NIWAKI_OP(MapPlanesF32, MapPlanesF32Args);
NIWAKI_OP(PoolPlanesF32, PoolPlanesF32Args);

}  // namespace niwaki::kernels
