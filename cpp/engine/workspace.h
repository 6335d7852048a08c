// The memory of one call: a slot per thread, each with room for a chunk of images and scratch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/container.h"
#include "engine/plan.h"
#include "engine/run.h"

namespace niwaki {

class Workspace {
 public:
  Workspace(int slots, size_t arena_bytes, size_t shared_bytes, size_t thread_bytes);

  // Points a slot's views at the images of a plan, image `first` of the chunk on for values that
  // cross segments.
  const View* views(int slot, const MemoryPlan& plan, int64_t first);

  uint8_t* shared(int slot) const { return shared_[slot].data(); }
  uint8_t* const* scratch(int slot) const { return scratch_data_.data() + slot; }

 private:
  std::vector<AlignedBytes> arenas_, shared_, scratch_;
  std::vector<uint8_t*> scratch_data_;
  std::vector<std::vector<View>> views_;  // by slot and value id
};

}  // namespace niwaki
