// From sums with channels along the vectors to planes. Compiled once per instruction set, hence the
// anonymous namespace.
#pragma once

#include <algorithm>

#include "common/store.h"
#include "dense_conv_f32/tile.h"
#include "dense_conv_f32/transpose.h"

namespace niwaki::kernels {
namespace {

// Sums of some whole rows of pixels: pixel (y, x) has its channels at
// sums[(y * slot_row + x + (x >= last_run ? overlap : 0)) * stride].
struct SumRows {
  const float* sums;
  std::int64_t slot_row, stride;
  std::int64_t last_run, overlap;
  std::int64_t width, row, rows;  // of the output
};

// Where they go: pixel (0, 0) of the first channel, its bias, its residual. ConvStore::pixels is
// the rows' end.
struct StoreTarget {
  ConvStore store;
  float* output;
  std::int64_t output_plane;
  const float* bias;      // or nullptr
  const float* residual;  // or nullptr
};

// Turn the sums around and store them: kVectors vectors of pixels from p on, in kLanes channels at
// a time. They pass through an array in L1, so that each channel's are stored together.
template <class S, int kVectors>
void store_vectors(const float* const* pixels, const StoreTarget& to, std::int64_t channels,
                   std::int64_t p) {
  constexpr std::int64_t kLanes = S::kLanes;
  for (std::int64_t o = 0; o < channels; o += kLanes) {
    alignas(64) float turned[kLanes][kVectors][kLanes];
    for (int v = 0; v < kVectors; ++v) {
      typename S::Vector columns[kLanes];
      Transpose<S>::run([&](int j) { return pixels[v * kLanes + j] + o; }, columns);
      NIWAKI_UNROLL for (int k = 0; k < kLanes; ++k) S::store(turned[k][v], columns[k]);
    }
    const std::int64_t count = std::min(kLanes, channels - o);
    for (std::int64_t k = 0; k < count; ++k) {
      typename S::Vector sums[kVectors];
      NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] = S::load(turned[k][v]);
      store_sums<S, kVectors>(
          to.store, sums, to.output + (o + k) * to.output_plane,
          to.residual == nullptr ? nullptr : to.residual + (o + k) * to.store.residual_plane,
          to.bias == nullptr ? 0.0F : to.bias[o + k], p);
    }
  }
}

template <class S>
void store_rows(const SumRows& from, const StoreTarget& to, std::int64_t channels) {
  constexpr int kMost = 4;  // vectors at a time
  constexpr std::int64_t kLanes = S::kLanes;
  const std::int64_t end = from.rows * from.row;
  std::int64_t y = 0;
  std::int64_t x = 0;
  for (std::int64_t p = 0; p < end; p += kMost * kLanes) {
    const std::int64_t vectors = std::min<std::int64_t>(kMost, (end - p + kLanes - 1) / kLanes);
    const float* pixels[kMost * kLanes];
    for (std::int64_t j = 0; j < vectors * kLanes; ++j) {
      // Pad columns, and what lies behind the last row, read any sum: the store drops it.
      const std::int64_t column = std::min(x, from.width - 1);
      const std::int64_t slot =
          y * from.slot_row + column + (column >= from.last_run ? from.overlap : 0);
      pixels[j] = from.sums + slot * from.stride;
      if (++x == from.row) {
        x = 0;
        y = std::min(y + 1, from.rows - 1);
      }
    }
    with_constant<kMost>(vectors,
                         [&](auto count) { store_vectors<S, count()>(pixels, to, channels, p); });
  }
}

}  // namespace
}  // namespace niwaki::kernels
