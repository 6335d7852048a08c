#include "common/plane_layout.h"

#include <algorithm>

namespace niwaki::kernels {
namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t out_size(std::int64_t padded, std::int64_t kernel, std::int64_t stride,
                      std::int64_t dilation) {
  const std::int64_t free = padded - ((kernel - 1) * dilation + 1);
  return free < 0 ? 0 : free / stride + 1;
}

}  // namespace

PlaneLayout make_plane_layout(std::int64_t channels, std::int64_t height, std::int64_t width,
                              const Window& window) {
  const Window& w = window;
  PlaneLayout layout{};
  layout.channels = channels;
  layout.height = height;
  layout.width = width;
  layout.window = w;
  const std::int64_t padded_h = w.pad_top + height + w.pad_bottom;
  const std::int64_t padded_w = w.pad_left + width + w.pad_right;
  layout.out_height = out_size(padded_h, w.kernel_h, w.stride_h, w.dilation_h);
  layout.out_width = out_size(padded_w, w.kernel_w, w.stride_w, w.dilation_w);
  // A pad column shared by two rows must serve the wider of the two pads. An output row must fit
  // its row (a 1x1 kernel with pads has outputs in both pads).
  layout.row_width =
      std::max(divide_up(width + std::max(w.pad_left, w.pad_right), w.stride_w), layout.out_width);
  layout.plane_rows = divide_up(height + std::max(w.pad_top, w.pad_bottom), w.stride_h);
  // The last channel has no next one to share with: the rows of its bottom pad, and one for the
  // columns that run over.
  const std::int64_t own_rows = std::max(divide_up(padded_h, w.stride_h), layout.plane_rows) + 1;
  layout.channel_rows = channels == 0 ? 0 : (channels - 1) * layout.plane_rows + own_rows;
  const bool empty = layout.out_height == 0 || layout.out_width == 0;
  layout.flat_pixels = empty ? 0 : (layout.out_height - 1) * layout.row_width + layout.out_width;
  layout.acc_stride = divide_up(layout.flat_pixels, kPixelBlock) * kPixelBlock;
  layout.scratch_elements =
      w.stride_h * w.stride_w * layout.channel_rows * layout.row_width + kPixelBlock;
  return layout;
}

std::int64_t tap_offset(const PlaneLayout& layout, std::int64_t c, std::int64_t i, std::int64_t j) {
  const Window& w = layout.window;
  const std::int64_t row = i * w.dilation_h;
  const std::int64_t column = j * w.dilation_w;
  const std::int64_t phase = (row % w.stride_h) * w.stride_w + column % w.stride_w;
  const std::int64_t flat_row =
      phase * layout.channel_rows + c * layout.plane_rows + row / w.stride_h;
  return flat_row * layout.row_width + column / w.stride_w;
}

bool is_identity(const PlaneLayout& layout) {
  const Window& w = layout.window;
  return w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 &&
         w.pad_top == 0 && w.pad_left == 0 && w.pad_bottom == 0 && w.pad_right == 0;
}

}  // namespace niwaki::kernels
