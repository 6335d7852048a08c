#include "slices_b1/slices_b1.h"

#include <algorithm>

namespace niwaki::kernels {
namespace {

bool bit(const std::uint64_t* slices, const SliceGeometry& g, std::int64_t q, std::int64_t p) {
  return (slices[q * g.slice_words + p / 64 % g.slice_words] >> (p % 64)) & 1;
}

// The tile's pixels.
std::int64_t first_of(const SliceGeometry& g, std::int64_t tile) {
  return tile * g.slice_words * 64;
}
std::int64_t last_of(const SliceGeometry& g, std::int64_t tile) {
  return std::min(first_of(g, tile + 1), g.positions());
}

}  // namespace

void slice_base_u1_reference(const SliceBaseArgs& args) {
  const SliceGeometry& g = args.geometry;
  const BinaryWindow& w = g.window;
  const std::int64_t lines = w.out_height + (w.kernel_h - 1) * w.dilation_h;
  for (std::int64_t c = 0; c < g.channels; ++c) {
    std::uint64_t* base = args.base + c * g.base_words();
    std::fill(base, base + g.base_words(), 0);
    for (std::int64_t y = 0; y < lines; ++y) {
      for (std::int64_t x = 0; x < std::min(g.row, w.padded_w); ++x) {
        const std::uint64_t word = args.input[(y * w.padded_w + x) * w.words + c / 64];
        const std::int64_t p = y * g.row + x;
        base[p / 64] |= (word >> (c % 64) & 1) << (p % 64);
      }
    }
  }
}

void slice_threshold_f32_u1_reference(const SliceThresholdArgs& args) {
  for (std::int64_t c = 0; c < args.planes.channels; ++c) {
    std::uint64_t* base = args.base + c * args.words;
    std::fill(base, base + args.words, 0);
    for (std::int64_t p = 0; p < args.planes.pixels(); ++p) {
      const float x = args.input[c * args.planes.plane + p];
      const bool passes = static_cast<float>(args.sign[c]) * x >= args.level[c];
      const bool pixel = (args.mask[p / 32] >> (p % 32) & 1) != 0;
      base[args.first_word + p / 64] |= static_cast<std::uint64_t>(passes && pixel) << (p % 64);
    }
  }
}

void slice_bits_u1_reference(const SliceBitsArgs& args) {
  const SliceGeometry& g = args.geometry;
  const BinaryWindow& w = g.window;
  std::fill(args.slices, args.slices + g.words(), 0);
  for (std::int64_t q = 0; q < g.inputs(); ++q) {
    const std::int64_t c = q % g.channels;
    const std::int64_t i = q / g.channels / w.kernel_w * w.dilation_h;
    const std::int64_t j = q / g.channels % w.kernel_w * w.dilation_w;
    for (std::int64_t p = first_of(g, args.tile); p < last_of(g, args.tile); ++p) {
      const std::int64_t y = p / g.row;
      const std::int64_t x = p % g.row;
      if (x >= w.out_width) continue;
      const std::int64_t at = args.lead + p + i * g.row + j;
      const std::int64_t pixel = (y * w.stride_h + i) * w.padded_w + x * w.stride_w + j;
      const std::uint64_t found = args.base != nullptr
                                      ? args.base[c * g.base_words() + at / 64] >> (at % 64)
                                      : args.input[pixel * w.words + c / 64] >> (c % 64);
      args.slices[q * g.slice_words + p / 64 % g.slice_words] |= (found & 1) << (p % 64);
    }
  }
}

void slice_ones_u1_i32_reference(const SliceOnesArgs& args) {
  const SliceGeometry& g = args.geometry;
  for (std::int64_t p = first_of(g, args.tile); p < last_of(g, args.tile); ++p) {
    args.ones[p] = 0;
    for (std::int64_t q = 0; q < g.inputs(); ++q) args.ones[p] += bit(args.slices, g, q, p);
  }
}

void slices_u1_b1_f32_reference(const SlicesB1Args& args) {
  const SliceGeometry& g = args.geometry;
  const std::int64_t size = std::int64_t{1} << args.group;
  const std::uint16_t* inputs = args.inputs;
  for (std::int64_t o = 0; o < args.outputs; o += args.group) {
    const std::int32_t* counts = args.counts + o / args.group * size;
    for (std::int64_t k = 0; k < args.group && o + k < args.outputs; ++k) {
      for (std::int64_t p = first_of(g, args.tile); p < last_of(g, args.tile); ++p) {
        std::int32_t sum = 0;
        const std::uint16_t* input = inputs;
        for (std::int64_t c = 1; c < size; ++c) {
          for (std::int32_t n = 0; n < counts[c]; ++n, ++input) {
            if ((c >> k & 1) != 0) sum += bit(args.slices, g, *input / g.slice_words, p);
          }
        }
        float y = static_cast<float>(2 * sum - args.ones[p]) * args.scale[o + k];
        if (args.residual != nullptr) {
          y = y + args.residual[(o + k) * args.residual_stride + p];
        }
        args.output[(o + k) * args.output_stride + p] = y;
      }
    }
    for (std::int64_t c = 1; c < size; ++c) inputs += counts[c];
  }
}

}  // namespace niwaki::kernels
