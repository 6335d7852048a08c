// The layout pass: how every value lies in memory, decided once at load (not in the file).
//
// Float maps (C, H, W) that a step takes as padded planes (kernels/common/planes.h) get the pads
// that their readers wish. Values that one stride-1 convolution, add or concat joins share `row`,
// so that their pixels lie on one flat axis. Everything else is compact, image by image.
//
// - A value that a padded step and a compact-only step touch has both forms: `converts` counts that
//   copy, and explain() tells it.
// - Behind convolutions of bits the compact form is channels last (pixels.h).
// - A concat along channels of padded values moves nothing: its inputs are windows of its buffer,
//   written there by their producers.
// - An elementwise layer writes over an input that nobody reads afterwards, a convolution over such
//   a residual.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "common/planes.h"

namespace niwaki {

struct Program;

// One value that a step takes as planes, and the zeros it would like around it.
struct PlanesWish {
  int value = 0;
  int64_t pad_rows = 0, pad_columns = 0;
};

// What an op says of a layer before it is built. Made by OpRow::wish, which checks nothing but what
// it reads: the builder refuses a bad layer later.
struct LayoutWish {
  std::vector<PlanesWish> planes;           // inputs and output; the others are compact
  std::vector<std::pair<int, int>> joined;  // pairs of values that should share `row`
  bool concat = false;                      // of channels: inputs may be windows of the output
  std::vector<int> pixels;    // float maps that it takes channels last, all of them or none
  std::vector<int> any_form;  // float maps that it reads in whichever form they have
  bool follows = false;  // runs channels last where all its inputs do (pixels.h), else on planes
  std::vector<int> in_place;  // inputs whose memory the output may take, element by element
};

struct ValueLayout {
  bool has_planes = false;     // a float map that some step takes as planes: `planes` holds
  bool has_compact = true;     // some step takes or makes it compact
  bool pixels = false;         // the compact form is channels last (pixels.h)
  bool made_as_planes = true;  // by its producer (or the caller's images)
  kernels::Planes planes;
  int64_t second_half = 0;     // elements to the lower half, where `planes` is a half (halves.h)
  int window_of = -1;          // value whose buffer holds this one, or -1
  int64_t window_channel = 0;  // from which of its channels on
  int same_memory = -1;        // earlier value whose memory this one takes, or -1

  bool converts() const { return has_planes && has_compact && (pixels || !planes.is_compact()); }
};

// Fills program.layouts from the wishes of its layers' ops.
void choose_layouts(Program& program);

// Gives every convolution that writes over its residual memory of its own. For bands: there, layers
// that began later still read rows which the sum would be written over.
void part_residuals(Program& program);

// Whether a value has planes of its own, which no other shares and nobody sees as compact.
bool lies_alone(const Program& program, int id);

// Gives maps of one size and row the same pad rows, so that one can be written over another row by
// row (band_memory.h). Only those that lie alone.
void match_pads(Program& program);

// The value whose memory a value's planes lie in: itself, its concat's, or what it writes over.
int memory_of(const Program& program, int id);

// For wishes: whether a value is a float (C, H, W).
bool is_float_map(const Program& program, int id);

}  // namespace niwaki
