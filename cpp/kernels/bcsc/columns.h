// The loops of bcsc.h, once for all instruction sets (hence the anonymous namespace).
//
// Floats go by chunks of 8 entries: a vector multiplies, and each product is added to its row. What
// lies behind the column's end is masked to zero products, not branched around: where a column ends
// can't be predicted, and a wrong guess costs as much as a dozen entries. Tall tiles help as well.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "bcsc/bcsc.h"
#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// Entry by entry.
template <int kImages, class X, class W, class Acc>
void block_row(const BcscArgs<X, W, Acc>& args, std::int64_t i) {
  Acc sums[kBcscRows * kImages];  // [row][image]
  std::memset(sums, 0, sizeof(Acc) * static_cast<std::size_t>(args.tile_rows * kImages));
  const std::int64_t across = (args.inputs + args.tile_columns - 1) / args.tile_columns;
  for (std::int64_t j = 0; j < across; ++j) {
    const std::int64_t tile = i * across + j;
    const std::uint16_t* starts = args.column_starts + tile * (args.tile_columns + 1);
    const std::uint8_t* rows = args.rows + args.block_starts[tile];
    const W* values = args.values + args.block_starts[tile];
    const X* input = args.input + j * args.tile_columns;
    const std::int64_t columns = std::min(args.tile_columns, args.inputs - j * args.tile_columns);
    for (std::int64_t q = 0; q < columns; ++q) {
      Acc x[kImages];
      bool any = false;
      for (int n = 0; n < kImages; ++n) {
        x[n] = static_cast<Acc>(input[n * args.input_stride + q]);
        any |= x[n] != 0;
      }
      if (!any) continue;
      for (std::int64_t e = starts[q]; e < starts[q + 1]; ++e) {
        Acc* sum = sums + rows[e] * kImages;
        const auto w = static_cast<Acc>(values[e]);
        for (int n = 0; n < kImages; ++n) sum[n] += w * x[n];
      }
    }
  }
  const std::int64_t first = i * args.tile_rows;
  const std::int64_t count = std::min(args.tile_rows, args.outputs - first);
  for (int n = 0; n < kImages; ++n) {
    Acc* output = args.output + n * args.output_stride + first;
    for (std::int64_t r = 0; r < count; ++r) output[r] = sums[r * kImages + n];
  }
}

// By chunks of entries.
template <class S, int kImages>
void chunked_block_row(const BcscF32Args& args, std::int64_t i) {
  constexpr int kChunk = 8;
  static_assert(kChunk % S::kLanes == 0);
  float sums[kImages][kBcscRows];
  for (auto& image : sums) {
    std::memset(image, 0, sizeof(float) * static_cast<std::size_t>(args.tile_rows));
  }
  const std::int64_t across = (args.inputs + args.tile_columns - 1) / args.tile_columns;
  for (std::int64_t j = 0; j < across; ++j) {
    const std::int64_t tile = i * across + j;
    const std::uint16_t* starts = args.column_starts + tile * (args.tile_columns + 1);
    const std::uint8_t* rows = args.rows + args.block_starts[tile];
    const float* values = args.values + args.block_starts[tile];
    const float* input = args.input + j * args.tile_columns;
    const std::int64_t columns = std::min(args.tile_columns, args.inputs - j * args.tile_columns);
    for (std::int64_t q = 0; q < columns; ++q) {
      bool any = false;
      for (int n = 0; n < kImages; ++n) any |= input[n * args.input_stride + q] != 0;
      if (!any) continue;
      for (std::int64_t e = starts[q]; e < starts[q + 1]; e += kChunk) {
        float products[kImages][kChunk];
        for (int v = 0; v < kChunk; v += S::kLanes) {
          const auto bits = simd::first_bits(starts[q + 1] - e - v);
          const auto w = S::load(values + e + v);
          for (int n = 0; n < kImages; ++n) {
            const auto x = S::broadcast(input[n * args.input_stride + q]);
            S::store(products[n] + v, S::keep(S::mul(w, x), bits));
          }
        }
        for (int n = 0; n < kImages; ++n) {
#pragma GCC unroll 8
          for (int k = 0; k < kChunk; ++k) sums[n][rows[e + k]] += products[n][k];
        }
      }
    }
  }
  const std::int64_t first = i * args.tile_rows;
  const std::int64_t count = std::min(args.tile_rows, args.outputs - first);
  for (int n = 0; n < kImages; ++n) {
    std::copy(sums[n], sums[n] + count, args.output + n * args.output_stride + first);
  }
}

// Calls block(std::integral_constant<int, images>, block row) for each of them.
template <class Args, class Block>
void for_block_rows(const Args& args, const Block& block) {
  [&]<int... k>(std::integer_sequence<int, k...>) {
    const auto run = [&](auto images) {
      for (std::int64_t i = args.first_block; i < args.last_block; ++i) block(images, i);
    };
    ((args.images == k + 1 ? run(std::integral_constant<int, k + 1>{}) : void()), ...);
  }(std::make_integer_sequence<int, kBcscImages>{});
}

template <class S>
void bcsc_f32(const BcscF32Args& args) {
  for_block_rows(args,
                 [&](auto images, std::int64_t i) { chunked_block_row<S, images()>(args, i); });
}

inline void bcsc_i16(const BcscI16Args& args) {
  for_block_rows(args, [&](auto images, std::int64_t i) { block_row<images()>(args, i); });
}

}  // namespace
}  // namespace niwaki::kernels
