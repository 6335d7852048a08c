// The static memory plan: where each value of one image lies in an arena, values whose lives don't
// meet sharing room.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/program.h"

namespace niwaki {

struct MemoryPlan {
  std::vector<size_t> offsets;  // by value id, multiples of 64
  size_t arena_bytes = 0;
};

// Kernels may read this far behind a value (kPixelBlock float pixels).
inline constexpr size_t kValueSlack = 128;

// Throws Error (kFormat) where one image would need more than 16 GiB.
MemoryPlan plan_memory(const Program& program);

}  // namespace niwaki
