#include "bits_gemm/walk.h"

namespace niwaki::kernels {

void bits_gemv_f32_f32_f32_portable(const BitsGemvF32Args& args) { bits_gemv(args); }
void bits_gemm_f32_f32_f32_portable(const BitsGemmF32Args& args) {
  bits_gemm<simd::Portable>(args);
}

void bits_gemm_i16_i8_i32_portable(const BitsGemmI16Args& args) {
  const BitsTiles<std::int8_t>& tiles = args.weights;
  const std::int64_t across = (tiles.inputs + tiles.tile_columns - 1) / tiles.tile_columns;
  const std::int64_t words = tiles.tile_columns / 64;
  for (std::int64_t i = args.first_block; i < args.last_block; ++i) {
    const std::int64_t begin = i * tiles.tile_rows;
    const std::int64_t rows = std::min(tiles.tile_rows, tiles.outputs - begin);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::fill_n(args.output + (begin + r) * args.output_stride, args.columns, 0);
    }
    for (std::int64_t j = 0; j < across; ++j) {
      const std::int64_t tile = i * across + j;
      const std::int8_t* value = tiles.values + tiles.block_starts[tile];
      for (std::int64_t at = 0; at < rows * words; ++at) {
        std::int32_t* output = args.output + (begin + at / words) * args.output_stride;
        const std::int64_t k = j * tiles.tile_columns + at % words * 64;
        for (std::uint64_t set = tiles.mask[tile * tiles.tile_rows * words + at]; set != 0;
             set &= set - 1) {
          const std::int16_t* x = args.input + (k + __builtin_ctzll(set)) * args.input_stride;
          const std::int32_t weight = *value++;
          for (std::int64_t n = 0; n < args.columns; ++n) output[n] += weight * x[n];
        }
      }
    }
  }
}

}  // namespace niwaki::kernels
