#include "engine/workspace.h"

namespace niwaki {

// Untouched pages cost nothing, so an arena for batches may lie idle.
Workspace::Workspace(int slots, size_t arena_bytes, size_t shared_bytes, size_t thread_bytes) {
  for (int slot = 0; slot < slots; ++slot) {
    arenas_.emplace_back(arena_bytes);
    shared_.emplace_back(shared_bytes);
    scratch_.emplace_back(thread_bytes);
    scratch_data_.push_back(scratch_.back().data());
  }
  views_.resize(static_cast<size_t>(slots));
}

const View* Workspace::views(int slot, const MemoryPlan& plan, int64_t first) {
  std::vector<View>& views = views_[slot];
  views.resize(plan.places.size());
  uint8_t* arena = arenas_[slot].data();
  for (size_t id = 0; id < views.size(); ++id) {
    const Place& place = plan.places[id];
    const auto skipped = static_cast<size_t>(plan.lives[id].crosses ? first : 0);
    views[id] = {arena + place.compact + skipped * place.compact_stride,
                 arena + place.planes + skipped * place.planes_stride, place.compact_stride,
                 place.planes_stride};
  }
  return views.data();
}

}  // namespace niwaki
