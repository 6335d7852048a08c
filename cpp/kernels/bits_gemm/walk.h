// The loops of bits_gemm.h, once for all instruction sets (hence the anonymous namespace).
#pragma once

#include <algorithm>
#include <cstring>

#include "bits_gemm/bits_gemm.h"
#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// A column's non-zeros, one after the other.
template <int kImages>
void bits_gemv_block(const BitsGemvF32Args& args, std::int64_t i) {
  const BitsTiles<float>& tiles = args.weights;
  float sums[64 * kImages] = {};  // [row][image]
  const std::int64_t across = (tiles.inputs + tiles.tile_columns - 1) / tiles.tile_columns;
  for (std::int64_t j = 0; j < across; ++j) {
    const std::int64_t tile = i * across + j;
    const std::uint64_t* mask = tiles.mask + tile * tiles.tile_columns;
    const float* value = tiles.values + tiles.block_starts[tile];
    const float* input = args.input + j * tiles.tile_columns;
    const std::int64_t columns =
        std::min(tiles.tile_columns, tiles.inputs - j * tiles.tile_columns);
    for (std::int64_t q = 0; q < columns; ++q) {
      float x[kImages];
      bool any = false;
      for (int n = 0; n < kImages; ++n) {
        x[n] = input[n * args.input_stride + q];
        any |= x[n] != 0;
      }
      if (!any) {
        value += __builtin_popcountll(mask[q]);
        continue;
      }
      for (std::uint64_t set = mask[q]; set != 0; set &= set - 1, ++value) {
        float* sum = sums + __builtin_ctzll(set) * kImages;
        for (int n = 0; n < kImages; ++n) sum[n] += *value * x[n];
      }
    }
  }
  const std::int64_t first = i * 64;
  const std::int64_t count = std::min<std::int64_t>(64, tiles.outputs - first);
  for (int n = 0; n < kImages; ++n) {
    float* output = args.output + n * args.output_stride + first;
    for (std::int64_t r = 0; r < count; ++r) output[r] = sums[r * kImages + n];
  }
}

template <class Block>
void for_images(const BitsGemvF32Args& args, const Block& block) {
  [&]<int... k>(std::integer_sequence<int, k...>) {
    const auto run = [&](auto images) {
      for (std::int64_t i = args.first_block; i < args.last_block; ++i) block(images, i);
    };
    ((args.images == k + 1 ? run(std::integral_constant<int, k + 1>{}) : void()), ...);
  }(std::make_integer_sequence<int, kBitsGemvImages>{});
}

inline void bits_gemv(const BitsGemvF32Args& args) {
  for_images(args, [&](auto images, std::int64_t i) { bits_gemv_block<images()>(args, i); });
}

// kVectors of columns of one tile, whose sums go on from the output.
template <class S, int kVectors>
void bits_gemm_tile(const BitsGemmF32Args& args, std::int64_t i, std::int64_t tile,
                    const float* input, std::int64_t column, bool first) {
  using Vector = typename S::Vector;
  const BitsTiles<float>& tiles = args.weights;
  const std::int64_t words = tiles.tile_columns / 64;
  const std::uint64_t* mask = tiles.mask + tile * tiles.tile_rows * words;
  const float* value = tiles.values + tiles.block_starts[tile];
  const std::int64_t begin = i * tiles.tile_rows;
  const std::int64_t rows = std::min(tiles.tile_rows, tiles.outputs - begin);
  for (std::int64_t r = 0; r < rows; ++r, mask += words) {
    float* output = args.output + (begin + r) * args.output_stride + column;
    Vector sums[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      sums[v] = first ? S::zero() : S::load(output + v * S::kLanes);
    }
    for (std::int64_t w = 0; w < words; ++w) {
      const float* from = input + 64 * w * args.input_stride;
      for (std::uint64_t set = mask[w]; set != 0; set &= set - 1) {
        const float* x = from + __builtin_ctzll(set) * args.input_stride;
        const Vector weight = S::broadcast(*value++);
        for (int v = 0; v < kVectors; ++v) {
          sums[v] = S::fma(weight, S::load(x + v * S::kLanes), sums[v]);
        }
      }
    }
    for (int v = 0; v < kVectors; ++v) S::store(output + v * S::kLanes, sums[v]);
  }
}

template <class S>
void bits_gemm(const BitsGemmF32Args& args) {
  const BitsTiles<float>& tiles = args.weights;
  const std::int64_t across = (tiles.inputs + tiles.tile_columns - 1) / tiles.tile_columns;
  const auto run = [&](auto vectors, std::int64_t column) {
    for (std::int64_t i = args.first_block; i < args.last_block; ++i) {
      for (std::int64_t j = 0; j < across; ++j) {
        const float* input = args.input + j * tiles.tile_columns * args.input_stride + column;
        bits_gemm_tile<S, vectors()>(args, i, i * across + j, input, column, j == 0);
      }
    }
  };
  std::int64_t n = 0;
  for (; n + 4 * S::kLanes <= args.columns; n += 4 * S::kLanes) {
    run(std::integral_constant<int, 4>{}, n);
  }
  for (; n + 2 * S::kLanes <= args.columns; n += 2 * S::kLanes) {
    run(std::integral_constant<int, 2>{}, n);
  }
  for (; n < args.columns; n += S::kLanes) run(std::integral_constant<int, 1>{}, n);
  if (across > 0) return;
  for (std::int64_t o = args.first_block * tiles.tile_rows;
       o < std::min(args.last_block * tiles.tile_rows, tiles.outputs); ++o) {
    std::fill_n(args.output + o * args.output_stride, args.columns, 0.0F);
  }
}

}  // namespace
}  // namespace niwaki::kernels
