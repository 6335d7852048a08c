// The loops of roofline.h for one instruction set. Compiled once per set, hence the anonymous
// namespace.
#pragma once

#include "common/simd.h"
#include "roofline/roofline.h"

namespace niwaki::kernels {
namespace {

// As many chains as hide a multiply-add's latency on two ports (4 or 5 cycles), or as fit.
template <class S>
constexpr int kChains = S::kRegisters >= 16 ? 12 : 6;

template <class S>
float run_fma(std::int64_t rounds) {
  typename S::Vector sums[kChains<S>];
  const auto x = S::broadcast(1.0F);
  const auto y = S::broadcast(1e-9F);
  NIWAKI_UNROLL for (int k = 0; k < kChains<S>; ++k) {
    sums[k] = S::zero();
    asm volatile("" : "+m"(sums[k]));  // so that no two chains are one
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    NIWAKI_UNROLL for (int k = 0; k < kChains<S>; ++k) sums[k] = S::fma(x, y, sums[k]);
  }
  NIWAKI_UNROLL for (int k = 1; k < kChains<S>; ++k) sums[0] = S::add(sums[0], sums[k]);
  return S::sum(sums[0]);
}

template <class S, bool kMultiply>
float run_loads(const float* data, std::int64_t floats, std::int64_t rounds) {
  constexpr int kVectors = kRooflineStep / 16;
  typename S::Vector sums[kVectors];
  const auto value = S::broadcast(1.0F);
  NIWAKI_UNROLL for (int k = 0; k < kVectors; ++k) sums[k] = S::zero();
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (std::int64_t at = 0; at < floats; at += kVectors * S::kLanes) {
      NIWAKI_UNROLL for (int k = 0; k < kVectors; ++k) {
        const auto x = S::load(data + at + k * S::kLanes);
        sums[k] = kMultiply ? S::fma(x, value, sums[k]) : S::add(x, sums[k]);
      }
    }
  }
  NIWAKI_UNROLL for (int k = 1; k < kVectors; ++k) sums[0] = S::add(sums[0], sums[k]);
  return S::sum(sums[0]);
}

template <class S>
constexpr RooflineLoops kLoops = {S::kLanes, kChains<S>, &run_fma<S>, &run_loads<S, true>,
                                  &run_loads<S, false>};

}  // namespace
}  // namespace niwaki::kernels
