// A binary convolution by full adders on slices of bits [ours]: on large maps a third of the
// operations of AND and popcount.
//
// conv_b1.h counts the bits of one pixel's word. Here a vector holds ONE input (tap and channel) of
// 256 or 512 pixels, a bit each, and the weights, known at load, are lists: output o adds the
// slices of its +1 weights, and only these. Two logic operations (a full adder) take in one slice,
// so 512 pixels' sums of a half of the weights: 512 products an operation, where AND, popcount and
// addition make 171. Counts stay bit slices ("planes" 1, 2, 4, ...) until they are all there.
//
// The flat axis p = y * row + x is cut into tiles of 64 * slice_words pixels; ops take one tile.
//
//   SliceBits: slices[q * slice_words + k], input q = (i * kw + j) * channels + c: the input's bits
//              at the tile's pixels 64 k to 64 k + 63, low bit first; 0 where x >= out_width or y
//              >= out_height
//   SliceOnes: ones[p] = sum over all q of the bit at p
//   SlicesB1:  y[o * output_stride + p] = acc * scale[o] [+ residual[o * residual_stride + p]],
//              acc = 2 * (sum over the +1 weights' q of the bit at p) - ones[p]
//
// for the tile's p in [0, out_height * row): what PlanesB1 (conv_b1.h) makes, with its roundings.
//
// Where taps are shifts of the flat axis, slices are cut from a base, base_words() a channel:
//
//   SliceBase:      bit r * row + c = the padded image's at (r, c), c < row
//   SliceThreshold: bit 64 * first_word + p = sign[c] * x[c * plane + p] >= level[c], where `mask`
//                   has p; 0 elsewhere (NaN gives 0)
//
// and tap (i, j) of pixel p is the base's bit lead + p + i * dilation_h * row + j * dilation_w.
//
// Outputs come in groups of 2 or 4, which share sums: an input belongs to one of 2^group classes,
// by which outputs of the group have it as +1. Each class but the first (none of them) is summed
// once; an output's count is the sum of its classes' counts. So four outputs take in 15/16 of the
// inputs together, instead of half of them each.
//
// Limits: kh * kw * channels * slice_words < 65536 (offsets are u16, counts at most 13 planes).
#pragma once

#include <cstdint>

#include "common/planes.h"
#include "common/table.h"
#include "conv_b1/conv_b1.h"

namespace niwaki::kernels {

// Which slices a convolution has.
struct SliceGeometry {
  BinaryWindow window;
  std::int64_t channels;     // of the input
  std::int64_t row;          // of the flat axis, at least out_width
  std::int64_t slice_words;  // of 64 pixels in a tile: 4 or 8

  std::int64_t inputs() const { return window.kernel_h * window.kernel_w * channels; }
  std::int64_t positions() const { return window.out_height * row; }
  std::int64_t tiles() const { return (positions() + 64 * slice_words - 1) / (64 * slice_words); }
  std::int64_t words() const { return inputs() * slice_words; }  // of a tile's slices
  std::int64_t base_words() const {
    const std::int64_t reach =
        (window.kernel_h - 1) * window.dilation_h * row + (window.kernel_w - 1) * window.dilation_w;
    return tiles() * slice_words + (reach + 63) / 64 + 2;
  }
};

struct SliceBaseArgs {
  const std::uint64_t* input;  // words as ConvB1 takes them
  SliceGeometry geometry;
  std::uint64_t* base;
};

struct SliceThresholdArgs {
  const float* input;         // origin
  Planes planes;              // row as the geometry's
  const std::uint32_t* mask;  // pixel_mask(planes)
  const std::int8_t* sign;
  const float* level;
  std::int64_t first_word;  // at least the pads in front of pixel 0, in words
  std::int64_t words;       // base_words()
  std::uint64_t* base;
};

struct SliceBitsArgs {
  const std::uint64_t* base;  // or nullptr: fetched from `input`, whatever the strides
  std::int64_t lead;
  const std::uint64_t* input;  // words as ConvB1 takes them
  SliceGeometry geometry;
  std::int64_t tile;
  std::uint64_t* slices;  // words() of them
};

struct SliceOnesArgs {
  const std::uint64_t* slices;
  SliceGeometry geometry;
  std::int64_t tile;
  const std::uint16_t* inputs;  // all of them: q * slice_words
  std::int32_t* ones;           // by p
};

inline constexpr int kMostSliceWords = 8;
inline constexpr int kMostGroup = 4;
inline constexpr int kMostPlanes = 13;  // of counts

struct SlicesB1Args {
  const std::uint64_t* slices;
  SliceGeometry geometry;
  std::int64_t tile;
  const std::int32_t* ones;
  std::int64_t outputs;
  std::int64_t group;           // outputs that share sums: 2 or 4
  std::int64_t planes;          // enough for each output's number of +1 weights
  const std::int32_t* counts;   // (groups, 2^group): inputs of a class, the first one's 0
  const std::uint16_t* inputs;  // by group and class: q * slice_words
  const float* scale;
  const float* residual;  // or nullptr: none
  std::int64_t residual_stride;
  float* output;
  std::int64_t output_stride;
};

NIWAKI_OP(SliceBase, SliceBaseArgs);
NIWAKI_OP(SliceThreshold, SliceThresholdArgs);
NIWAKI_OP(SliceBits, SliceBitsArgs);
NIWAKI_OP(SliceOnes, SliceOnesArgs);
NIWAKI_OP(SlicesB1, SlicesB1Args);

}  // namespace niwaki::kernels
