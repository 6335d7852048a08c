#include "common/planes.h"

#include <algorithm>
#include <cstring>

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kLine = 16;  // floats of a cache line

std::int64_t round_up(std::int64_t value, std::int64_t to) { return (value + to - 1) / to * to; }

}  // namespace

Planes compact_planes(std::int64_t channels, std::int64_t height, std::int64_t width) {
  const std::int64_t plane = height * width;
  return {channels, height, width, width, plane, channels * plane, 0};
}

Planes make_planes(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t row,
                   std::int64_t pad_rows) {
  std::int64_t lines = round_up((height + pad_rows) * row, kLine) / kLine;
  // A tile of pixels is read in many channels: an odd number of lines from one to the next spreads
  // them over all sets of the L1 cache; a multiple of 64 would put them all into one.
  if (lines > 8 && lines % 2 == 0) ++lines;
  const std::int64_t plane = lines * kLine;
  return {channels, height, width, row, plane, channels * plane, pad_rows};
}

std::int64_t elements_before(const Planes& planes) {
  if (planes.pad_rows == 0) return 0;
  return round_up(planes.pad_rows * planes.row + planes.pad_columns(), kLine);
}

std::int64_t elements_from_origin(const Planes& planes, std::int64_t images) {
  return round_up(images * planes.image + kTailElements, kLine);
}

bool taps_lie_in_place(const Planes& input, const Planes& output, const Window& window) {
  const std::int64_t rows = std::max(window.pad_top, window.pad_bottom);
  const std::int64_t columns = std::max(window.pad_left, window.pad_right);
  if (window.stride_h != 1 || window.stride_w != 1 || input.row != output.row) return false;
  const std::int64_t reach = (window.kernel_w - 1) * window.dilation_w - window.pad_left;
  if (reach > kMostColumnReach) return false;
  if (rows == 0 && columns == 0) return true;
  return input.pad_rows >= std::max<std::int64_t>(rows, 1) && input.pad_columns() >= columns;
}

std::vector<std::uint32_t> pixel_mask(const Planes& planes) {
  const std::int64_t pixels = planes.pixels();
  std::vector<std::uint32_t> mask(static_cast<std::size_t>(pixels / 32 + 2), 0);
  for (std::int64_t y = 0; y < planes.height; ++y) {
    for (std::int64_t x = 0; x < planes.width; ++x) {
      const std::int64_t p = y * planes.row + x;
      mask[static_cast<std::size_t>(p / 32)] |= std::uint32_t{1} << (p % 32);
    }
  }
  return mask;
}

void clear_pad_rows(const Planes& planes, std::int64_t images, float* origin) {
  clear_pad_rows(planes, images, origin, 0, planes.channels);
}

void clear_pad_rows(const Planes& planes, std::int64_t images, float* origin, std::int64_t first,
                    std::int64_t last) {
  if (planes.pad_rows == 0 || first >= last) return;
  // Not a float more: behind another channel's last pixel this begins. For every image: in a
  // concat's window the channel before an image's first is another's.
  const std::int64_t before = planes.pad_rows * planes.row + planes.pad_columns();
  const std::int64_t pixels = planes.pixels();
  const std::int64_t gap = planes.plane - pixels;
  for (std::int64_t n = 0; n < images; ++n) {
    float* image = origin + n * planes.image;
    if (first == 0) {
      std::memset(image - before, 0, static_cast<std::size_t>(before) * sizeof(float));
    }
    float* at = image + pixels + first * planes.plane;
    for (std::int64_t c = first; c < last; ++c, at += planes.plane) {
      std::memset(at, 0, static_cast<std::size_t>(gap) * sizeof(float));
    }
  }
}

void clear_pads_ahead(const Planes& planes, std::int64_t images, float* origin) {
  clear_pad_rows(planes, images, origin);
  if (planes.pad_rows == 0 || planes.height == 0) return;
  const auto bytes = static_cast<std::size_t>(planes.pad_columns()) * sizeof(float);
  for (std::int64_t n = 0; n < images; ++n) {
    float* behind = origin + n * planes.image + planes.pixels() - planes.pad_columns();
    for (std::int64_t c = 0; c < planes.channels; ++c) {
      std::memset(behind + c * planes.plane, 0, bytes);
    }
  }
}

void copy_planes(const Planes& from, const float* input, const Planes& to, float* output,
                 std::int64_t images, std::int64_t channels) {
  if (channels < 0) channels = from.channels;
  const bool same_plane = from.row == to.row;
  const auto row_bytes = static_cast<std::size_t>(to.width) * sizeof(float);
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* source = input + n * from.image + c * from.plane;
      float* target = output + n * to.image + c * to.plane;
      if (same_plane) {
        std::memcpy(target, source, static_cast<std::size_t>(to.pixels()) * sizeof(float));
        continue;
      }
      for (std::int64_t y = 0; y < to.height; ++y) {
        std::memcpy(target + y * to.row, source + y * from.row, row_bytes);
        for (std::int64_t x = to.width; x < to.row; ++x) target[y * to.row + x] = 0;
      }
    }
  }
}

}  // namespace niwaki::kernels
