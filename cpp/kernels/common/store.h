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
  const std::uint32_t* mask = nullptr;  // bit p: a pixel; nullptr: all are. engine/conv/conv.h
  std::int64_t pixels = 0;              // end of the flat axis
};

namespace {

// Activate a vector. All but the first three kinds go through an array that the compiler
// vectorises: they cost an exponential or so anyway.
template <class S>
NIWAKI_INLINE typename S::Vector activate_vector(const Activation& activation,
                                                 typename S::Vector x) {
  switch (activation.kind) {
    case ActivationKind::none:
      return x;
    case ActivationKind::relu:
      return S::max(S::zero(), x);
    case ActivationKind::clip:
      return S::min(S::broadcast(activation.hi), S::max(S::broadcast(activation.lo), x));
    default: {
      float values[S::kLanes];
      S::store(values, x);
      activate<S::kLanes>(values, activation);
      return S::load(values);
    }
  }
}

// Finish and store the sums of one output channel at [p, p + kVectors * kLanes). `output` and
// `residual` (nullptr: none) are where its pixel 0 lies. p is a multiple of kLanes, and every
// vector begins before the end of the axis: only the last one may reach over it. The residual is
// read to the end of that vector (planes.h allows it), the output is not written there.
template <class S, int kVectors>
NIWAKI_INLINE void store_sums(const ConvStore& store, typename S::Vector (&sums)[kVectors],
                              float* output, const float* residual, float bias, std::int64_t p) {
  constexpr std::int64_t kLanes = S::kLanes;
  const auto bias_vector = S::broadcast(bias);
  for (int v = 0; v < kVectors; ++v) {
    sums[v] = S::add(sums[v], bias_vector);
  }
  if (residual != nullptr) {
    for (int v = 0; v < kVectors; ++v) {
      sums[v] = S::add(sums[v], S::load(residual + p + v * kLanes));
    }
  }
  if (store.activation.kind == ActivationKind::relu) {
    for (int v = 0; v < kVectors; ++v) sums[v] = S::max(S::zero(), sums[v]);
  } else if (store.activation.kind != ActivationKind::none) {
    for (int v = 0; v < kVectors; ++v) {
      sums[v] = activate_vector<S>(store.activation, sums[v]);
    }
  }
  if (store.mask != nullptr) {
    for (int v = 0; v < kVectors; ++v) {
      sums[v] = S::keep(sums[v], simd::bits_at(store.mask, p + v * kLanes));
    }
  }
  constexpr int kLast = kVectors - 1;
  for (int v = 0; v < kLast; ++v) S::store(output + p + v * kLanes, sums[v]);
  const std::int64_t left = store.pixels - p - kLast * kLanes;
  if (left >= kLanes) {
    S::store(output + p + kLast * kLanes, sums[kLast]);
  } else {
    S::store_masked(output + p + kLast * kLanes, simd::first_bits(left), sums[kLast]);
  }
}

}  // namespace
}  // namespace niwaki::kernels
