// Sparse linear layers whose non-zeros are marked by bits.
// Format: src/niwaki/formats/bits_gemm.py; source: Xie et al., doi:10.1145/3122788.
//
//   BitsGemvF32           output[n][o] = sum over k of weights[o][k] * input[n][k], few images n;
//                         bits column by column, tiles of 64 rows: a word is a column
//   BitsGemmF32, ...I16   output[o][n] = sum over k of weights[o][k] * input[k][n], many columns n;
//                         bits row by row: a word is 64 columns of a row
//
// for the outputs of block rows [first_block, last_block). Tiles go by block row first.
//
// BitsGemv spreads the values of a column over the lanes by its mask (vpexpandps), so it costs
// the same at any density; a column whose inputs are all zero is skipped. BitsGemm keeps a row's
// sums in registers while it walks the row's bits: one load a multiply-add, no zero multiplied.
//
// Assumptions: BitsGemv: tile_rows = 64; 1 <= images <= kBitsGemvImages; kBitsGemvSlack values are
// readable behind the last. BitsGemm: tile_columns a multiple of 64; columns a multiple of 16.
// Integers: no sum leaves 32 bits. Sums go by rising k.
#pragma once

#include <cstdint>

#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kBitsGemvImages = 4;
inline constexpr std::int64_t kBitsGemvSlack = 16;
inline constexpr std::int64_t kBitsGemmColumns = 16;

template <class W>
struct BitsTiles {
  const std::uint64_t* mask;          // (tiles, tile_rows * tile_columns / 64)
  const std::uint32_t* block_starts;  // (tiles + 1)
  const W* values;
  std::int64_t tile_rows, tile_columns;
  std::int64_t outputs, inputs;
};

struct BitsGemvF32Args {
  BitsTiles<float> weights;
  std::int64_t first_block, last_block;
  const float* input;
  std::int64_t images, input_stride;
  float* output;  // of output 0
  std::int64_t output_stride;
};

template <class X, class W, class Acc>
struct BitsGemmArgs {
  BitsTiles<W> weights;
  std::int64_t first_block, last_block;
  const X* input;  // (inputs, input_stride)
  std::int64_t columns, input_stride;
  Acc* output;  // (outputs, output_stride), from output 0 on
  std::int64_t output_stride;
};

using BitsGemmF32Args = BitsGemmArgs<float, float, float>;
using BitsGemmI16Args = BitsGemmArgs<std::int16_t, std::int8_t, std::int32_t>;

NIWAKI_OP(BitsGemvF32, BitsGemvF32Args);
NIWAKI_OP(BitsGemmF32, BitsGemmF32Args);
NIWAKI_OP(BitsGemmI16, BitsGemmI16Args);

}  // namespace niwaki::kernels
