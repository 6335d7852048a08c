#include "bits_gemm/bits_gemm.h"

namespace niwaki::kernels {
namespace {

// Calls entry(row, column, value) for the non-zeros of a block row, tile by tile.
template <class W, class Entry>
void for_entries(const BitsTiles<W>& tiles, std::int64_t i, bool rows_first, const Entry& entry) {
  const std::int64_t across = (tiles.inputs + tiles.tile_columns - 1) / tiles.tile_columns;
  const std::int64_t size = tiles.tile_rows * tiles.tile_columns;
  for (std::int64_t j = 0; j < across; ++j) {
    const std::int64_t tile = i * across + j;
    std::int64_t next = tiles.block_starts[tile];
    for (std::int64_t p = 0; p < size; ++p) {
      if ((tiles.mask[(tile * size + p) / 64] >> (p % 64) & 1U) == 0) continue;
      const std::int64_t row = rows_first ? p / tiles.tile_columns : p % tiles.tile_rows;
      const std::int64_t column = rows_first ? p % tiles.tile_columns : p / tiles.tile_rows;
      entry(i * tiles.tile_rows + row, j * tiles.tile_columns + column, tiles.values[next++]);
    }
  }
}

template <class X, class W, class Acc>
void gemm(const BitsGemmArgs<X, W, Acc>& args) {
  for (std::int64_t i = args.first_block; i < args.last_block; ++i) {
    const std::int64_t end = (i + 1) * args.weights.tile_rows;
    for (std::int64_t o = i * args.weights.tile_rows; o < end && o < args.weights.outputs; ++o) {
      for (std::int64_t n = 0; n < args.columns; ++n) args.output[o * args.output_stride + n] = 0;
    }
    for_entries(args.weights, i, true, [&](std::int64_t o, std::int64_t k, W value) {
      for (std::int64_t n = 0; n < args.columns; ++n) {
        args.output[o * args.output_stride + n] +=
            static_cast<Acc>(value) * static_cast<Acc>(args.input[k * args.input_stride + n]);
      }
    });
  }
}

}  // namespace

void bits_gemv_f32_f32_f32_reference(const BitsGemvF32Args& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    for (std::int64_t i = args.first_block; i < args.last_block; ++i) {
      const std::int64_t end = (i + 1) * args.weights.tile_rows;
      float* output = args.output + n * args.output_stride;
      for (std::int64_t o = i * args.weights.tile_rows; o < end && o < args.weights.outputs; ++o) {
        output[o] = 0;
      }
      for_entries(args.weights, i, false, [&](std::int64_t o, std::int64_t k, float value) {
        output[o] += value * args.input[n * args.input_stride + k];
      });
    }
  }
}

void bits_gemm_f32_f32_f32_reference(const BitsGemmF32Args& args) { gemm(args); }
void bits_gemm_i16_i8_i32_reference(const BitsGemmI16Args& args) { gemm(args); }

}  // namespace niwaki::kernels
