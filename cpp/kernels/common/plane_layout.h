// Flat padded planes: the layout in which every tap of a convolution is one constant offset.
//
// An image's C planes of H x W are copied once into a scratch of zero-padded planes. Strides (sh,
// sw) split each padded plane into sh*sw phases: phase (a, b) holds the padded rows = a mod sh and
// the padded columns = b mod sw. Then
//
//   input of output pixel (y, x) at tap (c, i, j) = scratch[tap_offset(c, i, j) + y * row_width +
//   x]
//
// so a convolution is a product over a flat axis p = y * row_width + x of flat_pixels positions.
// Positions with x >= out_width are computed too: finite garbage that the epilogue leaves out.
//
// Neighbours share their padding: a row's right pad is the next row's left pad, a plane's bottom
// pad is the next plane's top pad. For stride 1:  row_width = W + max(left, right).
//
//   scratch[((phase * channel_rows) + c * plane_rows + row) * row_width + column]
//   phase = ((i * dilation_h) % sh) * sw + (j * dilation_w) % sw
#pragma once

#include <cstdint>

namespace niwaki::kernels {

// Kernels work on whole blocks of this many pixels: they may read that far past the last pixel (the
// scratch has room), and they write up to the next multiple of it (planes of accumulators are that
// long: acc_stride).
inline constexpr std::int64_t kPixelBlock = 32;

struct Window {
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
};

// Pointers' worth of plain numbers; make it with make_plane_layout.
struct PlaneLayout {
  std::int64_t channels, height, width;  // the image
  Window window;
  std::int64_t out_height, out_width;
  std::int64_t row_width;     // elements from one row of a phase to the next, also of accumulators
  std::int64_t plane_rows;    // rows from one channel of a phase to the next
  std::int64_t channel_rows;  // rows from one phase to the next
  std::int64_t flat_pixels;   // (out_height - 1) * row_width + out_width, or 0
  std::int64_t
      acc_stride;  // flat_pixels rounded up to kPixelBlock: length of one accumulator plane
  std::int64_t scratch_elements;  // what the scratch must hold, reads past the end included
};

// Requires: sizes >= 0, kernel, strides and dilations >= 1, pads >= 0. An output side that would be
// negative is 0.
PlaneLayout make_plane_layout(std::int64_t channels, std::int64_t height, std::int64_t width,
                              const Window& window);

// Return where tap (c, i, j) of output pixel 0 lies in the scratch, in elements.
std::int64_t tap_offset(const PlaneLayout& layout, std::int64_t c, std::int64_t i, std::int64_t j);

// Tell whether the scratch is the image itself (1x1 window, stride 1, no pad), tail aside: who has
// kPixelBlock readable elements behind the image needs no copy.
bool is_identity(const PlaneLayout& layout);

}  // namespace niwaki::kernels
