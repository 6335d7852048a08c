#include <immintrin.h>

#include "bits_gemm/walk.h"

namespace niwaki::kernels {
namespace {

// A column's values, spread over 64 rows in 4 vectors; all sums of a block row stay in registers.
template <int kImages>
void expand_block(const BitsGemvF32Args& args, std::int64_t i) {
  const BitsTiles<float>& tiles = args.weights;
  __m512 sums[kImages][4];
  for (auto& image : sums) {
    for (__m512& sum : image) sum = _mm512_setzero_ps();
  }
  const std::int64_t across = (tiles.inputs + tiles.tile_columns - 1) / tiles.tile_columns;
  for (std::int64_t j = 0; j < across; ++j) {
    const std::int64_t tile = i * across + j;
    const std::uint64_t* mask = tiles.mask + tile * tiles.tile_columns;
    const float* value = tiles.values + tiles.block_starts[tile];
    const float* input = args.input + j * tiles.tile_columns;
    const std::int64_t columns =
        std::min(tiles.tile_columns, tiles.inputs - j * tiles.tile_columns);
    for (std::int64_t q = 0; q < columns; ++q) {
      bool any = false;
      for (int n = 0; n < kImages; ++n) any |= input[n * args.input_stride + q] != 0;
      const std::uint64_t set = mask[q];
      if (any) {
        // Counted from the column's start each, so that they don't wait for each other.
        const float* from[4] = {value, value + __builtin_popcountll(set & 0xffff),
                                value + __builtin_popcountll(set & 0xffffffff),
                                value + __builtin_popcountll(set & 0xffffffffffff)};
        for (int v = 0; v < 4; ++v) {
          const auto part = static_cast<__mmask16>(set >> (16 * v));
          // Expanded from a register: vpexpandps from memory is microcoded on some CPUs.
          const __m512 weights = _mm512_maskz_expand_ps(part, _mm512_loadu_ps(from[v]));
          for (int n = 0; n < kImages; ++n) {
            sums[n][v] = _mm512_fmadd_ps(weights, _mm512_set1_ps(input[n * args.input_stride + q]),
                                         sums[n][v]);
          }
        }
      }
      value += __builtin_popcountll(set);
    }
  }
  for (int n = 0; n < kImages; ++n) {
    for (int v = 0; v < 4; ++v) {
      const std::int64_t o = i * 64 + 16 * v;
      const auto left = static_cast<__mmask16>(simd::first_bits(tiles.outputs - o));
      _mm512_mask_storeu_ps(args.output + n * args.output_stride + o, left, sums[n][v]);
    }
  }
}

}  // namespace

void bits_gemv_f32_f32_f32_x86_avx512(const BitsGemvF32Args& args) {
  for_images(args, [&](auto images, std::int64_t i) { expand_block<images()>(args, i); });
}

void bits_gemm_f32_f32_f32_x86_avx512(const BitsGemmF32Args& args) {
  bits_gemm<simd::Avx512>(args);
}

}  // namespace niwaki::kernels
