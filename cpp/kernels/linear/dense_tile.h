// Float dot products of several rows of weights with several images at once. Compiled once per
// instruction set, hence the anonymous namespace.
//
// Each product has one chain of vector sums, whatever the tile: results don't depend on how many
// images run together.
#pragma once

#include "common/simd.h"
#include "linear/linear.h"

namespace niwaki::kernels {
namespace {

template <class S, int kOutputs, int kImages>
void dense_tile(const LinearDenseF32Args& args, std::int64_t o, std::int64_t n) {
  using Vector = typename S::Vector;
  constexpr std::int64_t kLanes = S::kLanes;
  Vector sums[kOutputs][kImages];
  NIWAKI_UNROLL for (int i = 0; i < kOutputs; ++i) {
    NIWAKI_UNROLL for (int j = 0; j < kImages; ++j) sums[i][j] = S::zero();
  }
  const float* weights = args.weights + o * args.inputs;
  const float* x = args.input + n * args.input_stride;
  const auto add = [&](const auto& load) __attribute__((always_inline)) {
    Vector images[kImages];
    NIWAKI_UNROLL for (int j = 0; j < kImages; ++j) images[j] = load(x + j * args.input_stride);
    NIWAKI_UNROLL for (int i = 0; i < kOutputs; ++i) {
      const Vector row = load(weights + i * args.inputs);
      NIWAKI_UNROLL for (int j = 0; j < kImages; ++j) {
        sums[i][j] = S::fma(row, images[j], sums[i][j]);
      }
    }
  };
  std::int64_t k = 0;
  for (; k + kLanes <= args.inputs; k += kLanes) {
    // The next rows, beside these: weights lie far off, and are used once.
    if (n == 0) {
      NIWAKI_UNROLL for (int i = 0; i < kOutputs; ++i) {
        __builtin_prefetch(weights + (kOutputs + i) * args.inputs + k);
      }
    }
    add([k](const float* from) __attribute__((always_inline)) { return S::load(from + k); });
  }
  if (k < args.inputs) {
    const simd::Bits bits = simd::first_bits(args.inputs - k);
    add([k, bits](const float* from)
            __attribute__((always_inline)) { return S::load_masked(from + k, bits); });
  }
  NIWAKI_UNROLL for (int i = 0; i < kOutputs; ++i) {
    NIWAKI_UNROLL for (int j = 0; j < kImages; ++j) {
      args.output[(n + j) * args.output_stride + o + i] = S::sum(sums[i][j]);
    }
  }
}

template <class S, int kOutputs>
void dense_rows(const LinearDenseF32Args& args, std::int64_t o) {
  constexpr int kImages = S::kRegisters >= 32 ? 4 : 2;
  std::int64_t n = 0;
  for (; n + kImages <= args.images; n += kImages) dense_tile<S, kOutputs, kImages>(args, o, n);
  for (; n < args.images; ++n) dense_tile<S, kOutputs, 1>(args, o, n);
}

// Outputs outermost: a row of weights is read from afar once for all images.
template <class S>
void linear_dense(const LinearDenseF32Args& args) {
  constexpr int kOutputs = 4;
  std::int64_t o = 0;
  for (; o + kOutputs <= args.outputs; o += kOutputs) dense_rows<S, kOutputs>(args, o);
  for (; o < args.outputs; ++o) dense_rows<S, 1>(args, o);
}

}  // namespace
}  // namespace niwaki::kernels
