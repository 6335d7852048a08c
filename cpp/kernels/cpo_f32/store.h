// The store of cpo_f32.h, once for all instruction sets (hence the anonymous namespace).
#pragma once

#include <algorithm>

#include "cpo_f32/cpo_f32.h"
#include "dense_conv_f32/transpose.h"

namespace niwaki::kernels {
namespace {

template <class S>
void cpo_store(const CpoStoreF32Args& args) {
  constexpr std::int64_t kLanes = S::kLanes;
  std::int64_t y = 0;
  std::int64_t x = 0;
  for (std::int64_t p = 0; p < args.store.pixels; p += kLanes) {
    const float* pixels[kLanes];
    for (int j = 0; j < kLanes; ++j) {
      // Pad columns, and what lies behind the last row, read any sum: the store drops it.
      const std::int64_t slot = y * args.slots + args.first_slot + std::min(x, args.width - 1);
      pixels[j] = args.sums + slot * args.outputs;
      if (++x == args.row) {
        x = 0;
        y = std::min(y + 1, args.rows - 1);
      }
    }
    for (std::int64_t o = 0; o < args.channels; o += kLanes) {
      typename S::Vector channels[kLanes];
      Transpose<S>::run([&](int j) { return pixels[j] + o; }, channels);
      const std::int64_t count = std::min(kLanes, args.channels - o);
      for (std::int64_t k = 0; k < count; ++k) {
        typename S::Vector sums[1] = {channels[k]};
        const float* residual = args.residual == nullptr
                                    ? nullptr
                                    : args.residual + (o + k) * args.store.residual_plane;
        store_sums<S, 1>(args.store, sums, args.output + (o + k) * args.output_plane, residual,
                         args.bias == nullptr ? 0.0F : args.bias[o + k], p);
      }
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
