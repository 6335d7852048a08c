#include <cstring>
#include <type_traits>

#include "pad_planes/pad_planes.h"

namespace niwaki::kernels {
namespace {

template <class In, class Out>
void copy_row(const In* input, Out* output, std::int64_t count, std::int64_t stride) {
  if (count == 0) {
    return;  // memcpy takes no null pointers, not even for nothing
  }
  if constexpr (std::is_same_v<In, Out>) {
    if (stride == 1) {
      std::memcpy(output, input, static_cast<std::size_t>(count) * sizeof(Out));
      return;
    }
  }
  if (stride == 1) {
    for (std::int64_t k = 0; k < count; ++k) {
      output[k] = input[k];
    }
  } else {
    for (std::int64_t k = 0; k < count; ++k) {
      output[k] = input[k * stride];
    }
  }
}

template <class Out>
void zero(Out* output, std::int64_t count) {
  if (count > 0) {
    std::memset(output, 0, static_cast<std::size_t>(count) * sizeof(Out));
  }
}

// Zeros are written only where no pixel goes: most of the scratch is touched once.
template <class In, class Out>
void pad_planes(const PadPlanesArgs<In, Out>& args) {
  const PlaneLayout& layout = args.layout;
  const Window& w = layout.window;
  Out* const end = args.output + layout.scratch_elements;
  Out* done = args.output;  // everything before it is written
  for (std::int64_t phase = 0; phase < w.stride_h * w.stride_w; ++phase) {
    const std::int64_t phase_row = phase / w.stride_w;
    const std::int64_t phase_column = phase % w.stride_w;
    // The first column v of the phase with v * stride_w + phase_column >= pad_left, and how many
    // follow.
    const std::int64_t skip =
        w.pad_left > phase_column ? (w.pad_left - phase_column + w.stride_w - 1) / w.stride_w : 0;
    const std::int64_t x = skip * w.stride_w + phase_column - w.pad_left;
    const std::int64_t count = x < layout.width ? (layout.width - x - 1) / w.stride_w + 1 : 0;
    if (count == 0) {
      continue;
    }
    const std::int64_t row_skip =
        w.pad_top > phase_row ? (w.pad_top - phase_row + w.stride_h - 1) / w.stride_h : 0;
    for (std::int64_t c = 0; c < layout.channels; ++c) {
      const In* plane = args.input + c * layout.height * layout.width;
      const std::int64_t first_row = phase * layout.channel_rows + c * layout.plane_rows + row_skip;
      std::int64_t y = row_skip * w.stride_h + phase_row - w.pad_top;
      for (std::int64_t row = first_row; y < layout.height; ++row, y += w.stride_h) {
        Out* start = args.output + row * layout.row_width + skip;
        zero(done, start - done);
        copy_row(plane + y * layout.width + x, start, count, w.stride_w);
        done = start + count;
      }
    }
  }
  zero(done, end - done);
}

}  // namespace

void pad_planes_f32_portable(const PadPlanesF32Args& args) { pad_planes(args); }
void pad_planes_u8_i16_portable(const PadPlanesU8Args& args) { pad_planes(args); }
void pad_planes_i8_i16_portable(const PadPlanesS8Args& args) { pad_planes(args); }

void pad_words_u1_portable(const PadWordsArgs& args) {
  const std::int64_t columns = args.pad_left + args.width + args.pad_right;
  const std::int64_t row_words = columns * args.words;
  const std::int64_t left = args.pad_left * args.words;
  const std::int64_t middle = args.width * args.words;
  std::uint64_t* output = args.output;
  zero(output, args.pad_top * row_words);
  output += args.pad_top * row_words;
  for (std::int64_t y = 0; y < args.height; ++y, output += row_words) {
    zero(output, left);
    copy_row(args.input + y * middle, output + left, middle, 1);
    zero(output + left + middle, row_words - left - middle);
  }
  zero(output, args.pad_bottom * row_words);
}

}  // namespace niwaki::kernels
