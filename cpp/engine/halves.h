// Maps in two halves: where several threads share out an image, the upper and the lower rows of a
// map lie in memory of their own.
//
// Two threads that work on one end of a map each meet in the middle of every channel. There a core
// fetches some lines ahead that the other one writes: 10 ns a channel where both share a cache, 120
// where they don't, more than the work itself on small maps. So the rows [0, height / 2) of all
// channels lie together, and behind them those of the lower half. `planes` then describes a half,
// twice pad_rows between its channels: above the lower half lie copies of the upper one's last
// rows, and the other way round, so that a convolution sees the map's own rows there.
//
// Convolutions run on halves as on two images. They see a map that isn't in halves as if it were:
// its lower half begins height / 2 rows further on. What it gains: docs/design/sparse-kernels.md.
#pragma once

#include "common/planes.h"
#include "engine/program.h"

namespace niwaki {

// Puts every map into halves that only convolutions and pools touch whose halves read the same rows
// of their halves of the input: sparse ones, and dense ones if Winograd's tiles of four rows fit.
void halve_maps(Program& program);

// Puts all lower halves that many bytes behind the upper ones: into an arena of their own, so that
// what one thread writes lies where nothing of another's ever did.
void place_halves(Program& program, size_t bytes);

// A half of a map as a convolution sees it, and elements from its origin to the other half's.
struct Half {
  kernels::Planes planes;
  int64_t second = 0;
};
Half half_of(const ValueLayout& layout);

// Rows of a half's input above and below it that a window reads.
struct Reach {
  int64_t above = 0, below = 0;
};
Reach reach_of_half(const kernels::Window& window, int64_t input_rows, int64_t output_rows);

// Clears a half's pads, and copies the other's rows there. All rows are made by then.
void finish_half(const ValueLayout& layout, int64_t images, float* origin, int half);

// Copies compact images to a map in halves, pads included, and back.
void load_halves(const ValueLayout& layout, const float* data, int64_t images, float* origin);
void store_halves(const ValueLayout& layout, const float* origin, int64_t images, float* data);

}  // namespace niwaki
