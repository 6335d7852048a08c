// Copies of a tile's activations for which every tap of a sparse convolution loads aligned.
//
// An unaligned load costs 1.5 aligned ones (docs/design/sparse-kernels.md), and in a 3x3 window two
// taps of three lie beside the vectors' grid. So the pixels that a tile reads of a block of input
// channels are copied into a thread's scratch, once for each place on the grid: a window of the
// flat axis that starts at a tap, and serves all taps a whole number of half vectors behind it.
// Where rows are multiples of 8 a 3x3 window needs three copies, one per column. Every sum stays as
// it is, so the bits don't depend on packing.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/conv/phases.h"

namespace niwaki::conv {

class SparsePack {
 public:
  SparsePack() = default;  // packs nothing
  // For tiles of at most `tile` floats and `block` input channels.
  SparsePack(const Problem& problem, const Phases& phases, int64_t tile, int64_t block);

  bool active() const { return block_ > 0; }
  size_t bytes() const { return static_cast<size_t>(block_ * channel_) * sizeof(float); }
  // Where a tap of channel c, `tap` elements from the output's pixel, lies behind the scratch.
  int64_t offset(int64_t c, int64_t tap) const;
  // Whether any tap isn't on the grid as it is.
  bool pays() const { return pays_; }
  // Copy what `floats` pixels, the first one at `input`, read of that many channels.
  void copy(const float* input, int64_t channels, int64_t floats, float* scratch) const;

 private:
  struct Copy {
    int64_t first;  // its lowest tap
    int64_t span;   // to its highest one
    int64_t at;     // in the scratch of a channel
  };
  std::vector<Copy> copies_;
  int64_t block_ = 0, channel_ = 0, input_channel_ = 0;
  bool pays_ = false;
};

}  // namespace niwaki::conv
