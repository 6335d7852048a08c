// Which float maps lie channels last (H x W x C), and which thresholds the layer in front writes.
//
// Bits are packed over channels, so a convolution of bits makes all channels of a pixel side by
// side: channels last it adds the shortcut and packs the next layer's bits straight from its
// registers. Such a map takes the place of the compact form (layouts.h): readers that want planes
// get them by a copy, as ever, and callers always see (C, H, W).
#pragma once

#include <vector>

#include "engine/layouts.h"
#include "engine/program.h"

namespace niwaki {

// By value id. `wishes` are those of the program's layers. A layer's `pixels` lie channels last all
// together or not at all: not where one of them is an input of the program, or is touched by a step
// that knows compact (C, H, W) only.
std::vector<bool> choose_pixels(const Program& program, const std::vector<LayoutWish>& wishes);

// Whether a value's memory is its pixels: channels last, or a single pixel.
bool lies_in_pixels(const Program& program, int id);

// Whether a step that follows its inputs (LayoutWish::follows) runs channels last.
bool runs_on_pixels(const Program& program, const Layer& layer);

// Whether a conv or linear layer of bits only makes floats that it finishes in one pass (UnitB1).
bool is_unit(const Program& program, const Layer& layer);

// Fills writes_bits, written_by and unneeded, behind the layout pass.
void choose_fusions(Program& program);

}  // namespace niwaki
