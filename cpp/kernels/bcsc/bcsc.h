// Sparse linear layers on few columns of x: block compressed sparse column.
// Format: src/niwaki/formats/bcsc.py; source: Xie et al., doi:10.1145/3122788.
//
//   output[n][o] = sum over k of weights[o][k] * input[n][k]
//
// for the outputs of block rows [first_block, last_block). Tiles go by block row first; a tile's
// entries column by column, rows rising. A column whose inputs are zero in every image is skipped.
//
// Assumptions: sides of a tile as in formats/_tiles.py, tile_rows * tile_columns < 65536;
// 1 <= images <= kBcscImages; kBcscSlack rows (0) and values are readable behind the last.
// Integers: no sum leaves 32 bits. Sums go by rising k.
#pragma once

#include <cstdint>

#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kBcscImages = 4;
inline constexpr std::int64_t kBcscSlack = 8;
inline constexpr std::int64_t kBcscRows = 256;  // of a tile, at most

template <class X, class W, class Acc>
struct BcscArgs {
  const std::uint32_t* block_starts;   // (tiles + 1)
  const std::uint16_t* column_starts;  // (tiles, tile_columns + 1), counted inside the tile
  const std::uint8_t* rows;            // inside the tile
  const W* values;
  std::int64_t tile_rows, tile_columns;
  std::int64_t outputs, inputs;
  std::int64_t first_block, last_block;
  const X* input;
  std::int64_t images, input_stride;
  Acc* output;  // of output 0
  std::int64_t output_stride;
};

using BcscF32Args = BcscArgs<float, float, float>;
using BcscI16Args = BcscArgs<std::int16_t, std::int8_t, std::int32_t>;

NIWAKI_OP(BcscF32, BcscF32Args);
NIWAKI_OP(BcscI16, BcscI16Args);

}  // namespace niwaki::kernels
