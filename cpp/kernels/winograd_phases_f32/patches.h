// From planes to V: rows split into residues of their columns, patches transformed down and along.
// Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <algorithm>

#include "winograd_phases_f32/interleave.h"
#include "winograd_phases_f32/transforms.h"
#include "winograd_phases_f32/winograd_phases_f32.h"

namespace niwaki::kernels {
namespace {

// V of a chunk is [vector of tiles][WinogradPhases::at][kLanes]: the order in which it is read.
template <class S, int kSide>
class PhasePatches {
 public:
  PhasePatches(const WinogradPhasesF32Args& args, const WinogradPhases& sizes, float* v,
               float* split, float* down)
      : args_(args),
        sizes_(sizes),
        residues_(sizes.residues()),
        columns_(sizes.columns()),
        vectors_((args.tile_rows * sizes.tiles() + kLanes - 1) / kLanes),
        v_(v),
        split_(split),
        down_(down) {}

  void run() {
    for (std::int64_t c = 0; c < args_.in.channels; ++c) {
      split_channel(args_.input + c * args_.in.plane);
      for (std::int64_t row = 0; row < args_.tile_rows; ++row) {
        for (std::int64_t y = 0; y < sizes_.stride_h; ++y) {
          transform_down(row, y);
          for (std::int64_t x = 0; x < sizes_.stride_w; ++x) {
            transform_along(row, (c * sizes_.stride_h + y) * sizes_.stride_w + x, x);
          }
        }
      }
    }
  }

 private:
  using Vector = typename S::Vector;
  static constexpr std::int64_t kLanes = S::kLanes;

  float* split(std::int64_t row, std::int64_t residue) const {
    return split_ + (row * residues_ + residue) * columns_;
  }
  float* down(std::int64_t a, std::int64_t residue) const {
    return down_ + (a * residues_ + residue) * columns_;
  }

  // split[row][s][q] = column residues * q + s - pad_left of the chunk's input row, 0 outside the
  // image; q up to the tile behind the last.
  void split_channel(const float* plane) {
    const std::int64_t first = args_.first_tile_row * kPhaseTile * sizes_.stride_h - args_.pad_top;
    for (std::int64_t row = 0; row < sizes_.rows(args_.tile_rows); ++row) {
      const std::int64_t y = first + row;
      if (y < 0 || y >= args_.in.height) {
        std::fill(split(row, 0), split(row + 1, 0), 0.0F);
      } else if (residues_ == 4) {
        split_columns<4>(plane + y * args_.in.row, split(row, 0));
      } else if (residues_ == 8) {
        split_columns<8>(plane + y * args_.in.row, split(row, 0));
      } else if (residues_ == 16) {
        split_columns<16>(plane + y * args_.in.row, split(row, 0));
      } else {
        split_one_by_one(plane + y * args_.in.row, split(row, 0));
      }
    }
  }

  template <int kResidues>
  void split_columns(const float* from, float* to) {
    for (std::int64_t q = 0; q <= sizes_.tiles(); q += kLanes) {
      Vector row[kResidues];
      const std::int64_t first = q * kResidues - args_.pad_left;
      if (first >= 0 && first + kResidues * kLanes <= args_.in.width) {
        NIWAKI_UNROLL for (int k = 0; k < kResidues; ++k) {
          row[k] = S::load(from + first + k * kLanes);
        }
      } else {
        NIWAKI_UNROLL for (int k = 0; k < kResidues; ++k) {
          const std::int64_t x = first + k * kLanes;
          const simd::Bits inside = simd::first_bits(args_.in.width - x) & ~simd::first_bits(-x);
          row[k] = inside == 0 ? S::zero() : S::load_masked(from + x, inside);
        }
      }
      split_row<S, kResidues>(row);
      NIWAKI_UNROLL for (int k = 0; k < kResidues; ++k) S::store(to + k * columns_ + q, row[k]);
    }
  }

  void split_one_by_one(const float* from, float* to) {
    for (std::int64_t s = 0; s < residues_; ++s) {
      for (std::int64_t q = 0; q <= sizes_.tiles(); ++q) {
        const std::int64_t x = q * residues_ + s - args_.pad_left;
        to[s * columns_ + q] = x >= 0 && x < args_.in.width ? from[x] : 0;
      }
    }
  }

  // B^T on the columns of one phase of rows: every residue once, neighbouring tiles share them.
  void transform_down(std::int64_t row, std::int64_t y) {
    const std::int64_t first = row * kPhaseTile * sizes_.stride_h + y;
    for (std::int64_t s = 0; s < residues_; ++s) {
      for (std::int64_t q = 0; q <= sizes_.tiles(); q += kLanes) {
        Vector d[kSide];
        Vector t[kSide];
        NIWAKI_UNROLL for (int i = 0; i < kSide; ++i) {
          d[i] = S::load(split(first + i * sizes_.stride_h, s) + q);
        }
        toom_transform_input<S, kSide>(d, t);
        NIWAKI_UNROLL for (int a = 0; a < kSide; ++a) S::store(down(a, s) + q, t[a]);
      }
    }
  }

  // B^T on the rows of phase x: columns 4 and on of a tile are columns 0 and on of the next one.
  void transform_along(std::int64_t row, std::int64_t channel, std::int64_t x) {
    for (int a = 0; a < kSide; ++a) {
      for (std::int64_t q = 0; q < sizes_.tiles(); q += kLanes) {
        Vector d[kSide];
        Vector t[kSide];
        NIWAKI_UNROLL for (int j = 0; j < kSide; ++j) {
          d[j] = S::load(down(a, sizes_.stride_w * (j % kPhaseTile) + x) + q + j / kPhaseTile);
        }
        toom_transform_input<S, kSide>(d, t);
        store(row * sizes_.tiles() + q, channel, a, t);
      }
    }
  }

  // A vector of tiles begins anywhere in V's vectors, so it may end in the next one. Its lanes
  // behind a row's last tile are overwritten by the next row's.
  void store(std::int64_t tile, std::int64_t channel, int a, const Vector (&t)[kSide]) {
    const std::int64_t vector = tile / kLanes;
    const std::int64_t lane = tile % kLanes;
    const std::int64_t next = sizes_.channels * kSide * kLanes;  // from b to b
    float* to = v_ + (vector * sizes_.weights_of_output() + sizes_.at(0, channel, a)) * kLanes;
    if (lane == 0) {
      NIWAKI_UNROLL for (int b = 0; b < kSide; ++b) S::store(to + b * next, t[b]);
      return;
    }
    const simd::Bits here = simd::first_bits(kLanes - lane);
    NIWAKI_UNROLL for (int b = 0; b < kSide; ++b) {
      S::store_masked(to + b * next + lane, here, t[b]);
    }
    if (vector + 1 >= vectors_) return;
    to += sizes_.weights_of_output() * kLanes - (kLanes - lane);
    NIWAKI_UNROLL for (int b = 0; b < kSide; ++b) S::store_masked(to + b * next, ~here, t[b]);
  }

  const WinogradPhasesF32Args& args_;
  const WinogradPhases& sizes_;
  std::int64_t residues_, columns_;
  std::int64_t vectors_;
  float* v_;
  float* split_;
  float* down_;
};

}  // namespace
}  // namespace niwaki::kernels
