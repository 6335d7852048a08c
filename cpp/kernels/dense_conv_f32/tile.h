// The register tile of the dense kernels: pixels, broadcast, times vectors of output channels.
// Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <utility>

#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// Where the pixels of a tile lie, and where their sums go.
struct TileRun {
  const float* input;
  float* sums;  // [pixel][stride]
};

// The sums of kRuns runs of kRun pixels, kVectors vectors of channels each, in registers. A tap
// costs kRuns * kRun numbers and kVectors vectors to load, for kRuns * kRun * kVectors
// multiply-adds.
template <class S, int kRuns, int kRun, int kVectors>
struct Tile {
  using Vector = typename S::Vector;
  Vector acc[kRuns][kRun][kVectors];

  template <class Function>
  NIWAKI_INLINE void for_each(const Function& function) {
    NIWAKI_UNROLL for (int r = 0; r < kRuns; ++r) {
      NIWAKI_UNROLL for (int x = 0; x < kRun; ++x) {
        NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) function(acc[r][x][v], r, x, v);
      }
    }
  }
  NIWAKI_INLINE void clear() {
    for_each([](Vector& sum, int, int, int) __attribute__((always_inline)) { sum = S::zero(); });
  }
  NIWAKI_INLINE void load(const TileRun (&runs)[kRuns], std::int64_t stride) {
    for_each([&](Vector& sum, int r, int x, int v) __attribute__((always_inline)) {
      sum = S::load(runs[r].sums + x * stride + v * S::kLanes);
    });
  }
  NIWAKI_INLINE void store(const TileRun (&runs)[kRuns], std::int64_t stride) {
    for_each([&](Vector& sum, int r, int x, int v) __attribute__((always_inline)) {
      S::store(runs[r].sums + x * stride + v * S::kLanes, sum);
    });
  }
  // sum += weights[v] * runs[r].input[at + x * step]
  NIWAKI_INLINE void add(const TileRun (&runs)[kRuns], std::int64_t at, std::int64_t step,
                         const float* weights) {
    Vector w[kVectors];
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) w[v] = S::load(weights + v * S::kLanes);
    NIWAKI_UNROLL for (int r = 0; r < kRuns; ++r) {
      NIWAKI_UNROLL for (int x = 0; x < kRun; ++x) {
        const Vector pixel = S::broadcast(runs[r].input[at + x * step]);
        NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) {
          acc[r][x][v] = S::fma(pixel, w[v], acc[r][x][v]);
        }
      }
    }
  }
};

// Add weights[t] * input[taps[t] + pixel * step] over `count` taps to the sums; `first` starts at
// zero instead. kStep is the pixels' step where it is known when compiling, else 0.
template <class S, int kRuns, int kRun, int kVectors, int kStep>
void run_tile(const TileRun (&runs)[kRuns], std::int64_t step, const std::int32_t* taps,
              std::int64_t count, const float* weights, std::int64_t weight_stride,
              std::int64_t sum_stride, bool first) {
  Tile<S, kRuns, kRun, kVectors> tile;
  if (first) {
    tile.clear();
  } else {
    tile.load(runs, sum_stride);
  }
  for (std::int64_t t = 0; t < count; ++t, weights += weight_stride) {
    tile.add(runs, taps[t], kStep > 0 ? kStep : step, weights);
  }
  tile.store(runs, sum_stride);
}

// The same where taps come in groups of kStep neighbours, groups group_stride apart, and pixels are
// kStep apart as well: channels-last input cut in groups of channels. Starts at zero.
template <class S, int kRuns, int kRun, int kVectors, int kStep>
void run_groups(const TileRun (&runs)[kRuns], std::int64_t count, std::int64_t group_stride,
                const float* weights, std::int64_t weight_stride, std::int64_t sum_stride) {
  Tile<S, kRuns, kRun, kVectors> tile;
  tile.clear();
  std::int64_t start = 0;
  for (std::int64_t group = 0; group < count; group += kStep, start += group_stride) {
    const std::int64_t end = start + (count - group < kStep ? count - group : kStep);
    for (std::int64_t at = start; at < end; ++at, weights += weight_stride) {
      tile.add(runs, at, kStep, weights);
    }
  }
  tile.store(runs, sum_stride);
}

// Call function(std::integral_constant<int, value>{}) for value in [1, kMost].
template <int kMost, class Function>
NIWAKI_INLINE void with_constant(std::int64_t value, const Function& function) {
  [&]<int... k>(std::integer_sequence<int, k...>) {
    ((value == k + 1 ? function(std::integral_constant<int, k + 1>{}) : void()), ...);
  }(std::make_integer_sequence<int, kMost>{});
}

}  // namespace
}  // namespace niwaki::kernels
