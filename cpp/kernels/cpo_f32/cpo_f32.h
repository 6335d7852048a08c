// Activation-sparse convolution (CPO, CPS): each non-zero input is stored once, and no zero is
// multiplied. Source: Amer et al., arXiv:2104.08314; src/niwaki/formats/cpo.py has the definition.
//
//   sums[w][o] += sum over inputs (c, i, x) != 0 that window w of one output row reads
//                 of input[c][i][x] * weights[c][i - first kernel row][x - w * stride][o]
//
// How the paper's parts appear here, for a block of kCpoChannels or more channels at a time:
// - DA is `values`, IN is `places`: place = i * block + c, the weight's row but for a shift that
//   belongs to the output row. Entries go column by column, in a column row by row, in a row
//   channel by channel. So what one output row reads of a column is ONE run, starts[first row] to
//   starts[last row]: the vertical overlap costs nothing.
// - The overlap types are the n = ceil(kernel_w / stride_w) windows that read a column. Their sums
//   stay in registers while the columns go by, so an entry feeds n * outputs multiply-adds with one
//   load each, and sums are loaded and stored once a window.
// - Ptr is `starts`: per column, where each row's entries start.
// - CPS shortens the places: channels are taken in fours. A group of 1 or 2 non-zeros has their
//   places, one of 3 or 4 has (kCpsPrefix | place of the group's first channel), (set of channels).
//   The paper's groups are rows of a column; ours are what lies next to each other here.
//
// Departures, measured: channels lie innermost in a column, since the paper's one list per channel
// has too few entries for a loop; sums lie in registers instead of [Ow][Oh][Cout] in memory, which
// costs a load and a store for each multiply-add (half the speed).
//
// Assumptions: 1 <= n <= kCpoMostWindows; dilation 1. `outputs` is a multiple of 16 up to
// kCpoOutputs. All places fit 16 bits (CPS: 15). A column has room for height * channels + 16
// entries. `input` is readable 16 elements behind a row. Sums have cpo_slots() * outputs floats;
// window w has slot w + n - 1, and the slots around the windows are spoiled.
#pragma once

#include <cstdint>

#include "common/store.h"
#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kCpoColumns = 16;     // of one call of an encoder, at most
inline constexpr std::int64_t kCpoChannels = 16;    // blocks are multiples of it
inline constexpr std::int64_t kCpoOutputs = 64;     // of one call of a multiplication, at most
inline constexpr std::int64_t kCpoMostWindows = 7;  // that read one column
inline constexpr std::uint16_t kCpsPrefix = 0x8000;

struct CpoEncodeF32Args {
  const float* input;       // column 0 of row 0 of the block's first channel
  std::int64_t plane, row;  // elements from channel / row to the next
  std::int64_t channels;    // 1 to block
  std::int64_t block;
  std::int64_t height;
  std::int64_t columns;   // 1 to kCpoColumns
  std::int64_t capacity;  // entries from one column to the next
  float* values;
  std::uint16_t* places;
  std::int32_t* starts;  // [columns][height + 1]: where a row's values start in its column
  std::int32_t* words;   // CPS only: [columns][height + 1], where its places start
};

struct CpoMultiplyF32Args {
  const float* values;
  const std::uint16_t* places;
  const std::int32_t* starts;
  const std::int32_t* words;  // CPS only
  std::int64_t capacity;
  std::int64_t height, columns;      // of the input
  std::int64_t first_row, last_row;  // of the input, what the output row reads
  std::int64_t shift;                // place whose weights are weights[0]; may be negative
  std::int64_t kernel_w, stride_w, pad_left;
  std::int64_t windows;  // output columns
  // [place][tap][outputs], the taps q = k * stride_w + p of a column x = w * stride_w + p by rising
  // p, then k.
  const float* weights;
  std::int64_t outputs;
  float* sums;
};

// Turns sums around, and stores them as planes.
struct CpoStoreF32Args {
  const float* sums;  // [rows][slots][outputs]
  std::int64_t slots;
  std::int64_t first_slot;  // of window 0: overlaps - 1
  std::int64_t outputs;     // floats of a slot
  std::int64_t channels;    // 1 to outputs, that are stored
  std::int64_t rows, width, row;
  float* output;  // pixel (0, 0) of the first channel
  std::int64_t output_plane;
  const float* bias;      // of the first channel, or nullptr
  const float* residual;  // as `output`, or nullptr
  ConvStore store;        // residual_plane, activation, mask (begins at a row), pixels = rows * row
};

// Windows that may read one column, n.
inline std::int64_t cpo_overlaps(std::int64_t kernel_w, std::int64_t stride_w) {
  return (kernel_w + stride_w - 1) / stride_w;
}
inline std::int64_t cpo_slots(std::int64_t windows, std::int64_t overlaps) {
  return windows + 2 * overlaps;
}

NIWAKI_OP(CpoEncodeF32, CpoEncodeF32Args);
NIWAKI_OP(CpsEncodeF32, CpoEncodeF32Args);
NIWAKI_OP(CpoMultiplyF32, CpoMultiplyF32Args);
NIWAKI_OP(CpsMultiplyF32, CpoMultiplyF32Args);
NIWAKI_OP(CpoStoreF32, CpoStoreF32Args);

}  // namespace niwaki::kernels
