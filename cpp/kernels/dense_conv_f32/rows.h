// The loops of a dense convolution around its register tile. Compiled once per instruction set,
// hence the anonymous namespace.
#pragma once

#include <algorithm>

#include "dense_conv_f32/dense_conv_f32.h"
#include "dense_conv_f32/store_rows.h"
#include "dense_conv_f32/tile.h"

namespace niwaki::kernels {
namespace {

// Taps of one pass over the pixels: their weights (32 channels each) stay in L1 and the near L2.
inline constexpr std::int64_t kTapBlock = 256;

// Registers decide how many runs share the weights that a tap loads.
template <class S>
inline constexpr int kRunsOfTile = S::kRegisters >= 32 ? 2 : 1;
template <class S>
inline constexpr int kVectorsOfTile = 2;

template <class S, int kRun, int kVectors, int kStep>
void sum_vectors(const DenseConvF32Args& args, std::int64_t channel) {
  constexpr int kRuns = kRunsOfTile<S>;
  const std::int64_t per_row = dense_conv_runs(args.width, kRun);
  const std::int64_t all = args.rows * per_row;
  const auto run_at = [&](std::int64_t index) {
    const std::int64_t y = index / per_row;
    const std::int64_t x = std::min(index % per_row * kRun, args.width - kRun);
    return TileRun{args.input + y * args.row_step + x * args.step,
                   args.sums + index * kRun * kDenseConvBlock + channel};
  };
  // While a tile's last sums are made, fetch the lines that they will go to: many planes are
  // written a little at a time, which no hardware prefetcher foresees.
  const std::int64_t channels =
      std::min<std::int64_t>(kVectors * S::kLanes, args.outputs - channel);
  const auto fetch = [&](std::int64_t index) {
    const std::int64_t p =
        index / per_row * args.row + std::min(index % per_row * kRun, args.width - kRun);
    for (std::int64_t o = channel; o < channel + channels; ++o) {
      __builtin_prefetch(args.output + o * args.output_plane + p, 1, 2);
    }
    for (std::int64_t o = channel; o < channel + channels && args.residual != nullptr; ++o) {
      __builtin_prefetch(args.residual + o * args.store.residual_plane + p, 0, 2);
    }
  };
  for (std::int64_t begin = 0; begin < args.tap_count; begin += kTapBlock) {
    const std::int64_t count = std::min(kTapBlock, args.tap_count - begin);
    const float* weights = args.weights + begin * kDenseConvBlock + channel;
    std::int64_t index = 0;
    if constexpr (kRuns == 2) {
      for (; index + 2 <= all; index += 2) {
        if (begin + kTapBlock >= args.tap_count) fetch(index);
        run_tile<S, 2, kRun, kVectors, kStep>({run_at(index), run_at(index + 1)}, args.step,
                                              args.taps + begin, count, weights, kDenseConvBlock,
                                              kDenseConvBlock, begin == 0);
      }
    }
    for (; index < all; ++index) {
      if (begin + kTapBlock >= args.tap_count) fetch(index);
      run_tile<S, 1, kRun, kVectors, kStep>({run_at(index)}, args.step, args.taps + begin, count,
                                            weights, kDenseConvBlock, kDenseConvBlock, begin == 0);
    }
  }
}

template <class S, int kRun>
void sum_run(const DenseConvF32Args& args) {
  constexpr int kVectors = kVectorsOfTile<S>;
  const std::int64_t vectors = (args.outputs + S::kLanes - 1) / S::kLanes;
  for (std::int64_t v = 0; v < vectors; v += kVectors) {
    const auto with_step = [&](auto count) {
      if (args.step == 1) {
        sum_vectors<S, kRun, count(), 1>(args, v * S::kLanes);
      } else if (args.step == 2) {
        sum_vectors<S, kRun, count(), 2>(args, v * S::kLanes);
      } else {
        sum_vectors<S, kRun, count(), 0>(args, v * S::kLanes);
      }
    };
    with_constant<kVectors>(std::min<std::int64_t>(kVectors, vectors - v), with_step);
  }
}

template <class S>
void dense_conv(const DenseConvF32Args& args) {
  with_constant<kDenseConvMostRun>(args.run, [&](auto run) { sum_run<S, run()>(args); });
  const std::int64_t slot_row = dense_conv_runs(args.width, args.run) * args.run;
  const SumRows sums = {
      args.sums,  slot_row, kDenseConvBlock, slot_row - args.run, slot_row - args.width,
      args.width, args.row, args.rows};
  store_rows<S>(sums, {args.store, args.output, args.output_plane, args.bias, args.residual},
                args.outputs);
}

}  // namespace
}  // namespace niwaki::kernels
