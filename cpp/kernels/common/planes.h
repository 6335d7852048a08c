// Padded planes: how float maps lie in memory, so that a tap of a convolution is one offset.
//
// Element (image n, channel c, row y, column x) lies at
//
//   data[n * image + c * plane + y * row + x]
//
// where `data` is the ORIGIN: pixel (0, 0) of channel 0 of image 0, not the start of the buffer.
// Pixels of one channel lie on a flat axis p = y * row + x, p in [0, height * row).
//
// What holds whenever a step has finished:
// - Pad columns, x in [width, row), are zeros. They are the right pad of row y and the left pad of
//   row y + 1.
// - With pad_rows > 0, at least pad_rows * row zeros lie between a channel's last row and the next
//   channel's (or image's) first, and as many before the origin and behind the last channel: the
//   pads above and below. So every p in [-pad_rows * row - (row - width), (height + pad_rows) *
//   row) of a channel is a pixel or a zero.
// - With pad_rows = 0 nothing is promised about what lies between planes.
// - kTailElements elements behind the last plane's height * row may be read. Like everything
//   between planes without pad_rows, they may be garbage, NaN included: mask it at the store, never
//   multiply it by 0.
//
// The engine makes (make_planes): a 64-byte aligned origin, plane and image multiples of 16
// elements, so p = 16 k is aligned in every channel. Compact planes (row = width, plane = height *
// width, image = channels * plane) are a valid geometry too, and then nothing is aligned.
#pragma once

#include <cstdint>
#include <vector>

#include "common/plane_layout.h"

namespace niwaki::kernels {

struct Planes {
  std::int64_t channels = 0, height = 0, width = 0;
  std::int64_t row = 0, plane = 0, image = 0;  // elements from row / channel / image to the next
  std::int64_t pad_rows = 0;                   // zero rows around every channel

  std::int64_t pixels() const { return height * row; }  // end of the flat axis
  std::int64_t pad_columns() const { return row - width; }
  bool is_compact() const { return row == width && plane == height * width; }
  bool operator==(const Planes&) const = default;
};

// Behind the last plane's pixels that much is readable, beside its pad rows.
inline constexpr std::int64_t kTailElements = 4 * kPixelBlock;

// Compact planes of a (C, H, W) image.
Planes compact_planes(std::int64_t channels, std::int64_t height, std::int64_t width);

// Planes with a given row (>= width) and pad rows, spread over the sets of a cache.
Planes make_planes(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t row,
                   std::int64_t pad_rows);

// Elements that a buffer must have before the origin (a multiple of 16) ...
std::int64_t elements_before(const Planes& planes);
// ... and from the origin on, for `images` images, tail included.
std::int64_t elements_from_origin(const Planes& planes, std::int64_t images);

// A tap may lie that far to the right of an output pixel: the pad columns behind the last pixel are
// computed too (and masked), in whole blocks, and what they read must stay within the tail.
inline constexpr std::int64_t kMostColumnReach = kTailElements - 2 * kPixelBlock;

// Tell whether a window can read `input` where it lies: stride 1, the output has the same row, no
// tap lies further to the right than kMostColumnReach, and all pads are there as zeros. Then output
// pixel p reads, at tap (i, j), the input's p + (i * dilation_h - pad_top) * row + j * dilation_w -
// pad_left.
bool taps_lie_in_place(const Planes& input, const Planes& output, const Window& window);

// Bits over the flat axis of one channel: bit p % 32 of word p / 32 set = pixel, clear = pad
// column or beyond. Readable for whole kPixelBlocks, and one word more.
std::vector<std::uint32_t> pixel_mask(const Planes& planes);

// Write zeros between the planes where pad_rows promises them: before the origin, between and
// behind channels. Pad columns are the producer's part.
void clear_pad_rows(const Planes& planes, std::int64_t images, float* origin);

// What of that lies behind channels [first, last), and before the origin with channel 0.
void clear_pad_rows(const Planes& planes, std::int64_t images, float* origin, std::int64_t first,
                    std::int64_t last);

// The same for planes that are read before their last rows are made: there, too, what lies left
// above a channel's first pixel must be zero, which may be a pad column of the last row before.
void clear_pads_ahead(const Planes& planes, std::int64_t images, float* origin);

// Copy images from one geometry to another of the same height and width, with zeros in its pad
// columns: `channels` of them, or all of `from`'s.
void copy_planes(const Planes& from, const float* input, const Planes& to, float* output,
                 std::int64_t images, std::int64_t channels = -1);

}  // namespace niwaki::kernels
