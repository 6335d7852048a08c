// What a float convolution does to its sums at the store: bias, residual, activation, pad columns.
//
//   output[o][p] = pixel p ? act(sum[o][p] + bias[o] + residual[o][p]) : 0
//
// over the output's flat axis p = y * row + x, [0, pixels): pixels = height * row. Nothing behind
// it is written: there the next channel may begin.
#pragma once

#include <cstdint>

#include "common/simd.h"
#include "epilogue/activations.h"

namespace niwaki::kernels {

struct ConvStore {
  const float* bias = nullptr;      // (outputs), or nullptr: 0
  const float* residual = nullptr;  // origin, or nullptr: none; on the output's flat axis
  std::int64_t residual_plane = 0, residual_image = 0;  // elements from channel / image to the next
  Activation activation;
  const std::uint32_t* mask = nullptr;  // pixel_mask of common/planes.h; nullptr: all are pixels
  std::int64_t pixels = 0;              // end of the flat axis
};

namespace {

// Activate an array. Out of line: what it costs is an exponential or so a lane anyway.
template <class S>
__attribute__((noinline)) void activate_array(const Activation& activation, float* values,
                                              std::int64_t vectors) {
  for (std::int64_t v = 0; v < vectors; ++v, values += S::kLanes) {
    float lanes[S::kLanes];
    S::store(lanes, S::load(values));
    activate<S::kLanes>(lanes, activation);
    S::store(values, S::load(lanes));
  }
}

// Activate the sums of a tile in their registers, where the activation is cheap.
template <class S, int kVectors>
NIWAKI_INLINE void activate_sums(const Activation& activation, typename S::Vector* sums) {
  if (activation.kind == ActivationKind::none) return;
  if (activation.kind == ActivationKind::relu) {
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] = S::max(S::zero(), sums[v]);
  } else if (activation.kind == ActivationKind::clip) {
    const auto lo = S::broadcast(activation.lo);
    const auto hi = S::broadcast(activation.hi);
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] = S::min(hi, S::max(lo, sums[v]));
  } else {
    float values[kVectors * S::kLanes];
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) S::store(values + v * S::kLanes, sums[v]);
    activate_array<S>(activation, values, kVectors);
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] = S::load(values + v * S::kLanes);
  }
}

// Finish and store the sums of one output channel at [p, p + kVectors * kLanes). `output` and
// `residual` (nullptr: none) are where its pixel 0 lies. Every vector
// begins before the end of the axis: only the last one may reach over it. The residual is
// read to the end of that vector (planes.h allows it), the output is not written there.
template <class S, int kVectors>
NIWAKI_INLINE void store_sums(const ConvStore& store, typename S::Vector (&sums)[kVectors],
                              float* output, const float* residual, float bias, std::int64_t p) {
  constexpr std::int64_t kLanes = S::kLanes;
  const auto bias_vector = S::broadcast(bias);
  NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) { sums[v] = S::add(sums[v], bias_vector); }
  if (residual != nullptr) {
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) {
      sums[v] = S::add(sums[v], S::load(residual + p + v * kLanes));
    }
  }
  activate_sums<S, kVectors>(store.activation, sums);
  if (store.mask != nullptr) {
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) {
      sums[v] = S::keep(sums[v], simd::bits_at(store.mask, p + v * kLanes));
    }
  }
  constexpr int kLast = kVectors - 1;
  NIWAKI_UNROLL for (int v = 0; v < kLast; ++v) S::store(output + p + v * kLanes, sums[v]);
  const std::int64_t left = store.pixels - p - kLast * kLanes;
  if (left >= kLanes) {
    S::store(output + p + kLast * kLanes, sums[kLast]);
  } else {
    S::store_masked(output + p + kLast * kLanes, simd::first_bits(left), sums[kLast]);
  }
}

}  // namespace
}  // namespace niwaki::kernels
