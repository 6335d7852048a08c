// From the sums of an output's tiles to its plane. Compiled once per instruction set, hence the
// anonymous namespace.
#pragma once

#include <algorithm>

#include "winograd_phases_f32/interleave.h"
#include "winograd_phases_f32/winograd_phases_f32.h"

namespace niwaki::kernels {
namespace {

// Stores rows of tiles of one vector of tiles: bias, residual, activation, zeros in pad columns.
template <class S>
class QuadStore {
 public:
  QuadStore(const WinogradPhasesF32Args& args, const WinogradPhases& sizes)
      : args_(args), quads_(sizes.quads) {}

  // Go to the vector of tiles: its pixels are four vectors of a row each.
  void place(std::int64_t vector) {
    const Planes& out = args_.out;
    for (int k = 0; k < kPhaseTile; ++k) {
      const std::int64_t quad = (vector * kPhaseTile + k) * kLanes / kQuadPixels;
      const std::int64_t tile_row = quad / quads_;
      const std::int64_t x = quad % quads_ * kQuadPixels + k * kLanes % kQuadPixels;
      const std::int64_t y = (args_.first_tile_row + tile_row) * kPhaseTile;
      const std::int64_t rows = tile_row < args_.tile_rows && x < out.row ? out.height - y : 0;
      places_[k] = {y * out.row + x, rows, simd::first_bits(out.width - x),
                    simd::first_bits(out.row - x)};
      whole_[k] = x + kLanes <= out.width;
    }
    all_whole_ = whole_[0] && whole_[1] && whole_[2] && whole_[3] &&
                 places_[0].rows >= kPhaseTile && places_[kPhaseTile - 1].rows >= kPhaseTile;
  }

  // Store row `row` of the vector's tiles, columns of the tiles apart, of output o.
  NIWAKI_INLINE void run(std::int64_t o, int row, typename S::Vector (&y)[kPhaseTile]) const {
    interleave_four<S>(y);
    const auto bias = S::broadcast(args_.bias == nullptr ? 0.0F : args_.bias[o]);
    NIWAKI_UNROLL for (int k = 0; k < kPhaseTile; ++k) y[k] = S::add(y[k], bias);
    const std::int64_t down = row * args_.out.row;
    if (args_.residual != nullptr) {
      const float* residual = args_.residual + o * args_.store.residual_plane + down;
      NIWAKI_UNROLL for (int k = 0; k < kPhaseTile; ++k) {
        if (row < places_[k].rows) y[k] = S::add(y[k], S::load(residual + places_[k].at));
      }
    }
    activate_sums<S, kPhaseTile>(args_.store.activation, y);
    float* output = args_.output + o * args_.out.plane + down;
    if (all_whole_) {
      NIWAKI_UNROLL for (int k = 0; k < kPhaseTile; ++k) S::store(output + places_[k].at, y[k]);
      return;
    }
    NIWAKI_UNROLL for (int k = 0; k < kPhaseTile; ++k) {
      if (row >= places_[k].rows) continue;
      if (whole_[k]) {
        S::store(output + places_[k].at, y[k]);
      } else {
        S::store_masked(output + places_[k].at, places_[k].written, S::keep(y[k], places_[k].kept));
      }
    }
  }

  // Zeros in the pad columns behind the last quad of the chunk's rows.
  void clear_behind(std::int64_t o) const {
    const std::int64_t end = quads_ * kQuadPixels;
    if (end >= args_.out.row) return;
    const std::int64_t first = args_.first_tile_row * kPhaseTile;
    const std::int64_t last = std::min(args_.out.height, first + args_.tile_rows * kPhaseTile);
    for (std::int64_t y = first; y < last; ++y) {
      float* row = args_.output + o * args_.out.plane + y * args_.out.row;
      std::fill(row + end, row + args_.out.row, 0.0F);
    }
  }

 private:
  static constexpr std::int64_t kLanes = S::kLanes;
  static constexpr std::int64_t kQuadPixels = kPhaseQuad * kPhaseTile;

  struct Place {
    std::int64_t at;           // on the flat axis, of the tiles' first row
    std::int64_t rows;         // of these tiles that the output has
    simd::Bits kept, written;  // pixels; pixels and pad columns
  };

  const WinogradPhasesF32Args& args_;
  std::int64_t quads_;
  Place places_[kPhaseTile] = {};
  bool whole_[kPhaseTile] = {};
  bool all_whole_ = false;
};

}  // namespace
}  // namespace niwaki::kernels
