// The static memory plan: where each value lies in an arena, values whose lives don't meet sharing
// room.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/bands.h"
#include "engine/program.h"
#include "engine/schedule.h"

namespace niwaki {

// Bytes from the arena's start; the stride leads from one image to the next.
struct Place {
  size_t compact = 0, compact_stride = 0;
  size_t planes = 0, planes_stride = 0;  // of the origin
};

struct MemoryPlan {
  std::vector<Place> places;  // by value id
  std::vector<Life> lives;
  size_t arena_bytes = 0;
  size_t lower_bytes = 0;  // of an arena of their own, for lower halves: they lie as the upper ones
};

// Kernels may read this far behind a compact value (kPixelBlock float pixels).
inline constexpr size_t kValueSlack = 128;

// `groups`: layers whose values all live as long as the group runs (bands.h), some over others.
// Throws Error (kFormat) where the images at once would need more than 16 GiB.
MemoryPlan plan_memory(const Program& program, const Schedule& schedule,
                       const std::vector<BandGroup>& groups = {});

}  // namespace niwaki
