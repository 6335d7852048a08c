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

// Add weights[t][v] * input[taps[t] + pixel * step] over `count` taps to the sums of kRuns runs of
// kRun pixels, kVectors vectors of channels each. `first` starts at zero instead. kStep is the
// pixels' step where it is known when compiling, else 0. Per tap, kRuns * kRun numbers and kVectors
// vectors are loaded for kRuns * kRun * kVectors multiply-adds.
template <class S, int kRuns, int kRun, int kVectors, int kStep>
void run_tile(const TileRun (&runs)[kRuns], std::int64_t step, const std::int32_t* taps,
              std::int64_t count, const float* weights, std::int64_t weight_stride,
              std::int64_t sum_stride, bool first) {
  using Vector = typename S::Vector;
  constexpr int kLanes = S::kLanes;
  const std::int64_t pixel_step = kStep > 0 ? kStep : step;
  Vector acc[kRuns][kRun][kVectors];
  for (int r = 0; r < kRuns; ++r) {
    for (int x = 0; x < kRun; ++x) {
      for (int v = 0; v < kVectors; ++v) {
        acc[r][x][v] = first ? S::zero() : S::load(runs[r].sums + x * sum_stride + v * kLanes);
      }
    }
  }
  for (std::int64_t t = 0; t < count; ++t, weights += weight_stride) {
    Vector w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = S::load(weights + v * kLanes);
    const std::int64_t tap = taps[t];
    for (int r = 0; r < kRuns; ++r) {
      for (int x = 0; x < kRun; ++x) {
        const Vector pixel = S::broadcast(runs[r].input[tap + x * pixel_step]);
        for (int v = 0; v < kVectors; ++v) acc[r][x][v] = S::fma(pixel, w[v], acc[r][x][v]);
      }
    }
  }
  for (int r = 0; r < kRuns; ++r) {
    for (int x = 0; x < kRun; ++x) {
      for (int v = 0; v < kVectors; ++v) {
        S::store(runs[r].sums + x * sum_stride + v * kLanes, acc[r][x][v]);
      }
    }
  }
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
