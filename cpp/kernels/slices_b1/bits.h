// SliceBase and SliceBits in plain C++, which compilers make vectors of; compiled once per
// instruction set, hence the anonymous namespace.
#pragma once

#include "common/simd.h"
#include "conv_b1/window_ones.h"
#include "slices_b1/slices_b1.h"

namespace niwaki::kernels {
namespace {

// Swap the blocks of kSide x kSide bits that lie off the diagonal.
template <int kSide>
NIWAKI_INLINE void swap_blocks(std::uint64_t* rows) {
  constexpr std::uint64_t kLow = ~std::uint64_t{0} / ((std::uint64_t{1} << kSide) + 1);
  for (int block = 0; block < 64; block += 2 * kSide) {
    for (int k = block; k < block + kSide; ++k) {
      const std::uint64_t swapped = ((rows[k] >> kSide) ^ rows[k + kSide]) & kLow;
      rows[k] ^= swapped << kSide;
      rows[k + kSide] ^= swapped;
    }
  }
}

// Bit c of row p becomes bit p of row c.
inline void transpose_bits(std::uint64_t* rows) {
  swap_blocks<32>(rows);
  swap_blocks<16>(rows);
  swap_blocks<8>(rows);
  swap_blocks<4>(rows);
  swap_blocks<2>(rows);
  swap_blocks<1>(rows);
}

// A walk along the flat axis: where pixel p = y * row + x is, from p = 0 on.
struct Place {
  std::int64_t y = 0, x = 0;

  void step(std::int64_t row) {
    if (++x == row) {
      x = 0;
      ++y;
    }
  }
};

// Bits [from, to) of a word.
inline std::uint64_t bit_range(std::int64_t from, std::int64_t to) {
  return (to == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1) &
         (~std::uint64_t{0} << from);
}

// Word k of the flat axis: its bits that are pixels.
inline std::uint64_t pixels_of_word(const SliceGeometry& g, std::int64_t k) {
  std::uint64_t mask = 0;
  const std::int64_t begin = 64 * k;
  const std::int64_t end = begin + 64;
  for (std::int64_t y = begin / g.row; y < g.window.out_height && y * g.row < end; ++y) {
    const std::int64_t from = y * g.row < begin ? begin : y * g.row;
    const std::int64_t last = y * g.row + g.window.out_width;
    const std::int64_t to = last < end ? last : end;
    if (from < to) mask |= bit_range(from - begin, to - begin);
  }
  return mask;
}

// The base: each channel's bits of the padded image, `row` columns of each line, zeros behind.
inline void slice_base(const SliceBaseArgs& args) {
  const SliceGeometry& g = args.geometry;
  const BinaryWindow& w = g.window;
  const std::int64_t words = g.base_words();
  const std::int64_t lines = w.out_height + (w.kernel_h - 1) * w.dilation_h;
  const std::int64_t width = g.row < w.padded_w ? g.row : w.padded_w;
  for (std::int64_t k = 0; k < w.words; ++k) {
    const std::int64_t left = g.channels - 64 * k;
    const std::int64_t count = left < 64 ? left : 64;
    std::uint64_t* base = args.base + 64 * k * words;
    Place place;
    for (std::int64_t word = 0; word < words; ++word) {
      std::uint64_t rows[64];
      for (std::uint64_t& row : rows) {
        const bool inside = place.y < lines && place.x < width;
        row = inside ? args.input[(place.y * w.padded_w + place.x) * w.words + k] : 0;
        place.step(g.row);
      }
      transpose_bits(rows);
      for (std::int64_t c = 0; c < count; ++c) base[c * words + word] = rows[c];
    }
  }
}

template <int kWords>
NIWAKI_INLINE void shift_words(const std::uint64_t* __restrict from, unsigned low,
                               const std::uint64_t* __restrict mask, std::uint64_t* __restrict to) {
  for (int k = 0; k < kWords; ++k) {
    to[k] = ((from[k] >> low) | ((from[k + 1] << 1) << (63 - low))) & mask[k];
  }
}

template <int kWords>
void shift_base(const SliceBitsArgs& args) {
  const SliceGeometry& g = args.geometry;
  const BinaryWindow& w = g.window;
  const std::int64_t words = g.base_words();
  std::uint64_t mask[kWords];
  for (std::int64_t k = 0; k < kWords; ++k) mask[k] = pixels_of_word(g, args.tile * kWords + k);
  std::uint64_t* slice = args.slices;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::int64_t shift = args.lead + i * w.dilation_h * g.row + j * w.dilation_w;
      const auto low = static_cast<unsigned>(shift % 64);
      const std::uint64_t* base = args.base + args.tile * kWords + shift / 64;
      for (std::int64_t c = 0; c < g.channels; ++c, base += words, slice += kWords) {
        shift_words<kWords>(base, low, mask, slice);
      }
    }
  }
}

// Any stride: every tap's pixels are fetched and turned on their own.
inline void fetch_taps(const SliceBitsArgs& args) {
  const SliceGeometry& g = args.geometry;
  const BinaryWindow& w = g.window;
  const std::int64_t first = args.tile * g.slice_words * 64;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* tap = args.input + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k) {
        const std::int64_t left = g.channels - 64 * k;
        const std::int64_t count = left < 64 ? left : 64;
        const std::int64_t input = (i * w.kernel_w + j) * g.channels + 64 * k;
        std::uint64_t* slices = args.slices + input * g.slice_words;
        Place place{first / g.row, first % g.row};
        for (std::int64_t word = 0; word < g.slice_words; ++word) {
          std::uint64_t rows[64];
          for (std::uint64_t& row : rows) {
            const bool inside = place.y < w.out_height && place.x < w.out_width;
            row = inside ? window_start(tap, w, place.y, place.x)[k] : 0;
            place.step(g.row);
          }
          transpose_bits(rows);
          for (std::int64_t c = 0; c < count; ++c) slices[c * g.slice_words + word] = rows[c];
        }
      }
    }
  }
}

inline void slice_bits(const SliceBitsArgs& args) {
  if (args.base == nullptr) {
    fetch_taps(args);
  } else if (args.geometry.slice_words == 8) {
    shift_base<8>(args);
  } else {
    shift_base<4>(args);
  }
}

// SliceThreshold, where test(x, level, falling) gives a bit for each of kLanes floats from x on.
template <class Test>
void slice_threshold(const SliceThresholdArgs& args, const Test& test) {
  const Planes& planes = args.planes;
  const std::int64_t words = (planes.pixels() + 63) / 64;
  for (std::int64_t c = 0; c < planes.channels; ++c) {
    std::uint64_t* base = args.base + c * args.words;
    const float* x = args.input + c * planes.plane;
    const bool falling = args.sign[c] < 0;
    const float level = falling ? -args.level[c] : args.level[c];
    for (std::int64_t k = 0; k < args.first_word; ++k) base[k] = 0;
    for (std::int64_t k = args.first_word + words; k < args.words; ++k) base[k] = 0;
    base += args.first_word;
    for (std::int64_t k = 0; k < words; ++k) {
      std::uint64_t bits = 0;
      NIWAKI_UNROLL for (int p = 0; p < 64; p += Test::kLanes) {
        bits |= std::uint64_t{test(x + 64 * k + p, level, falling)} << p;
      }
      std::uint64_t mask;
      std::memcpy(&mask, args.mask + 2 * k, sizeof mask);
      base[k] = bits & mask;
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
