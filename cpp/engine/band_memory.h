// Bands in few buffers: maps of a group (bands.h) that are written over others, row by row.
//
// Layer by layer, a map is written where one lies that is dead by then: a chain needs two buffers,
// which take turns. Run band by band, all maps of a group are alive at once; in buffers of their
// own they pass through more memory, of which less is in the last-level cache. But rows die one by
// one: where two maps of a group have one geometry (match_pads, layouts.h), the later one is
// written over the earlier one as far as nobody reads its rows any more. Its layer stays a row or
// two further behind for that. A group then needs no more memory than its layers one by one, and
// they still run layer by layer in it, where somebody wants an inner map. [ours]
#pragma once

#include <cstdint>
#include <vector>

#include "engine/bands.h"

namespace niwaki {

// For each layer of a group the value over which its output lies, or -1: BandGroup::over. All who
// read that value belong to the group, and come before the layer.
std::vector<int> share_rows(const Program& program, const std::vector<StepPtr>& steps,
                            const std::vector<Life>& lives, const BandGroup& group);

// How many rows from the top on of BandGroup::over[k] nobody in the group needs any more; `done`
// holds the rows that each layer has made. May be negative.
int64_t free_rows(const Program& program, const std::vector<StepPtr>& steps, const BandGroup& group,
                  int k, const int64_t* done);

}  // namespace niwaki
