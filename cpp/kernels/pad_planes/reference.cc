#include "pad_planes/pad_planes.h"

namespace niwaki::kernels {
namespace {

template <class In, class Out>
void pad_planes(const PadPlanesArgs<In, Out>& args) {
  const PlaneLayout& layout = args.layout;
  const Window& w = layout.window;
  for (std::int64_t e = 0; e < layout.scratch_elements; ++e) {
    args.output[e] = 0;
  }
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    for (std::int64_t y = 0; y < layout.height; ++y) {
      for (std::int64_t x = 0; x < layout.width; ++x) {
        const std::int64_t row = y + w.pad_top;
        const std::int64_t column = x + w.pad_left;
        const std::int64_t phase = (row % w.stride_h) * w.stride_w + column % w.stride_w;
        const std::int64_t flat_row =
            phase * layout.channel_rows + c * layout.plane_rows + row / w.stride_h;
        args.output[flat_row * layout.row_width + column / w.stride_w] =
            args.input[(c * layout.height + y) * layout.width + x];
      }
    }
  }
}

}  // namespace

void pad_planes_f32_reference(const PadPlanesF32Args& args) { pad_planes(args); }
void pad_planes_u8_i16_reference(const PadPlanesU8Args& args) { pad_planes(args); }
void pad_planes_i8_i16_reference(const PadPlanesS8Args& args) { pad_planes(args); }

void pad_words_u1_reference(const PadWordsArgs& args) {
  const std::int64_t rows = args.pad_top + args.height + args.pad_bottom;
  const std::int64_t columns = args.pad_left + args.width + args.pad_right;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t y = row - args.pad_top;
      const std::int64_t x = column - args.pad_left;
      const bool inside = y >= 0 && y < args.height && x >= 0 && x < args.width;
      for (std::int64_t k = 0; k < args.words; ++k) {
        args.output[(row * columns + column) * args.words + k] =
            inside ? args.input[(y * args.width + x) * args.words + k] : 0;
      }
    }
  }
}

}  // namespace niwaki::kernels
