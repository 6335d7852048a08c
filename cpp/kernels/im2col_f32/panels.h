// The loops of im2col_f32.h, once for all instruction sets (hence the anonymous namespace).
#pragma once

#include "im2col_f32/im2col_f32.h"

namespace niwaki::kernels {
namespace {

template <class S>
void im2col(const Im2colF32Args& args) {
  constexpr std::int64_t kLanes = S::kLanes;
  for (std::int64_t t = 0; t < args.tap_count; ++t) {
    float* to = args.panel + t * kPanelPixels;
    for (std::int64_t r = 0; r < args.run_count; ++r) {
      const PixelRun& run = args.runs[r];
      const float* from = args.input + run.from + args.taps[t];
      float* at = to + run.first;
      std::int64_t k = 0;
      if (args.step == 1) {
        for (; k + kLanes <= run.count; k += kLanes) S::store(at + k, S::load(from + k));
        const simd::Bits left = simd::first_bits(run.count - k);
        if (left != 0) S::store_masked(at + k, left, S::load_masked(from + k, left));
        continue;
      }
      for (; k < run.count; ++k) at[k] = from[k * args.step];
    }
  }
}

// Outputs and vectors of pixels whose sums fit the registers, beside the vectors and a weight.
template <class S>
inline constexpr int kGemmRows = S::kRegisters >= 32 ? 8 : 4;
inline constexpr int kGemmVectors = 3;

template <class S>
void gemm_tile(const GemmF32Args& args, std::int64_t o, std::int64_t first) {
  constexpr int kRows = kGemmRows<S>;
  typename S::Vector sums[kRows][kGemmVectors];
  for (auto& row : sums) {
    for (auto& sum : row) sum = S::zero();
  }
  const float* weights =
      args.weights + o / kGemmOutputs * args.tap_count * kGemmOutputs + o % kGemmOutputs;
  const float* panel = args.panel + first;
  for (std::int64_t t = 0; t < args.tap_count; ++t) {
    typename S::Vector x[kGemmVectors];
    for (int v = 0; v < kGemmVectors; ++v) x[v] = S::load(panel + v * S::kLanes);
    for (int k = 0; k < kRows; ++k) {
      const auto w = S::broadcast(weights[k]);
      for (int v = 0; v < kGemmVectors; ++v) sums[k][v] = S::fma(w, x[v], sums[k][v]);
    }
    panel += kPanelPixels;
    weights += kGemmOutputs;
  }
  const std::int64_t p = args.first_pixel + first;
  for (int k = 0; k < kRows && o + k < args.outputs; ++k) {
    float* output = args.output + (o + k) * args.output_plane;
    const float* residual =
        args.residual == nullptr ? nullptr : args.residual + (o + k) * args.store.residual_plane;
    const float bias = args.bias == nullptr ? 0.0F : args.bias[o + k];
    if (p + (kGemmVectors - 1) * S::kLanes < args.store.pixels) {
      store_sums<S, kGemmVectors>(args.store, sums[k], output, residual, bias, p);
      continue;
    }
    for (int v = 0; v < kGemmVectors; ++v) {
      if (p + v * S::kLanes >= args.store.pixels) break;
      typename S::Vector one[1] = {sums[k][v]};
      store_sums<S, 1>(args.store, one, output, residual, bias, p + v * S::kLanes);
    }
  }
}

template <class S>
void gemm(const GemmF32Args& args) {
  static_assert(kPanelPixels % (kGemmVectors * S::kLanes) == 0);
  for (std::int64_t o = 0; o < args.outputs; o += kGemmRows<S>) {
    for (std::int64_t k = 0; k < kPanelPixels; k += kGemmVectors * S::kLanes) {
      if (args.first_pixel + k < args.store.pixels) gemm_tile<S>(args, o, k);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
