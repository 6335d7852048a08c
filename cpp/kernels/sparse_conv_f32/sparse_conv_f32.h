// Sparse float convolution on padded planes: the non-zeros are a stream, pixels lie in registers.
// SparseConvF32 takes any non-zeros, SparseConv4F32 those that come in blocks of four outputs.
//
//   output[n][o][p] = act(bias[o] + residual[n][o][p]
//                         + sum over the taps of o of
//                           value * input[n * input_image + offset + p - input_begin])
//
// for p in [begin, end) of the output's flat axis (common/planes.h), pad columns as zeros
// (common/store.h). The offset of tap (c, i, j) is c * plane + (i * dilation_h - pad_top) * row +
// j * dilation_w - pad_left; it may be negative.
//
// Taps are cut into segments: a segment is a run of taps of one unit, an output channel or a block
// of four. A tile of pixels
// walks all segments in order; its sums stay in registers within a segment, and wait in `output`
// from one segment of an output to its next. So a stream that is sorted by blocks of input channels
// first, then by output, works on activations that stay in the L1 cache; and as the sum of an
// output goes on where it stopped, its bits don't depend on how the stream was cut, only on the
// order of the output's taps. Sort segments of a block by their length: loop ends are then
// foreseen.
//
// The sum starts with bias + residual, so the residual may lie where the output does.
//
// Assumptions: kStartsAndFinishes: the first segment of an output has kSegmentStarts, its last one
// kSegmentFinishes, and every output has one of each (an output without taps: one empty segment
// with both). kReadsPastEnd: input and residual are readable for one more vector (16 elements)
// behind p = end - 1. Nothing outside [begin, end) is written. No alignment is needed, but planes
// that are multiples of 16 elements apart from a 64-byte aligned origin are up to 1.5 times faster.
#pragma once

#include <cstdint>

#include "common/store.h"
#include "common/table.h"

namespace niwaki::kernels {

struct SparseTap {
  std::int32_t offset;  // in elements
  float value;
};

// Four output channels, 4 * unit to 4 * unit + 3, that share their positions: each loaded vector of
// activations then feeds four multiply-adds, which removes the bound that loads are.
struct SparseTap4 {
  std::int32_t offset;
  float values[4];  // 0 behind the last output
};

inline constexpr std::int32_t kSegmentStarts = 1;
inline constexpr std::int32_t kSegmentFinishes = 2;

struct SparseSegment {
  std::int32_t unit;   // output channel, or block of four of them
  std::int32_t taps;   // how many of the stream
  std::int32_t flags;  // kSegmentStarts | kSegmentFinishes
};

template <class Tap>
struct SparseConvArgs {
  const float* input;  // pixel `input_begin` of image 0; where nothing is packed, the origin
  std::int64_t input_begin;
  std::int64_t input_image;
  const Tap* taps;
  const SparseSegment* segments;
  std::int64_t segment_count;
  float* output;
  std::int64_t output_plane, output_image;
  std::int64_t outputs;  // channels
  ConvStore store;       // its `pixels` isn't used: `end` is
  std::int64_t begin, end;
  std::int64_t images;
  std::int64_t tile;  // vectors of pixels in registers at once, at most; clamped to what there are
};

using SparseConvF32Args = SparseConvArgs<SparseTap>;

using SparseConv4F32Args = SparseConvArgs<SparseTap4>;

NIWAKI_OP(SparseConvF32, SparseConvF32Args);
NIWAKI_OP(SparseConv4F32, SparseConv4F32Args);

}  // namespace niwaki::kernels
