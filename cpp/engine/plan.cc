#include "engine/plan.h"

#include <algorithm>
#include <numeric>

#include "common/planes.h"
#include "engine/error.h"
#include "engine/text.h"

namespace niwaki {
namespace {

static_assert(kValueSlack >= kernels::kPixelBlock * sizeof(float));

constexpr size_t kAlignment = 64;
constexpr size_t kMaxArena = size_t{16} << 30;

size_t round_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// A piece of the arena: one form of a value, or of several that share it.
struct Block {
  size_t size = 0, offset = 0;
  int begin = -1, end = -1;
  bool meets(const Block& other) const { return begin <= other.end && other.begin <= end; }
};

class Planner {
 public:
  Planner(const Program& program, const Schedule& schedule, const std::vector<BandGroup>& groups)
      : program_(program), images_(schedule.images) {
    plan_.lives = find_lives(program, schedule);
    over_.assign(program.values.size(), -1);
    // All layers of a group go on until the last one is through.
    for (const BandGroup& group : groups) {
      for (size_t k = 0; k < group.over.size(); ++k) {
        over_[program.layers[group.first + static_cast<int>(k)].output] = group.over[k];
      }
      for (Life& life : plan_.lives) {
        if (life.begin > group.first && life.begin < group.last) life.begin = group.first;
        if (life.end >= group.first && life.end < group.last) life.end = group.last - 1;
      }
    }
    plan_.places.resize(program.values.size());
    compact_.assign(program.values.size(), -1);
    planes_.assign(program.values.size(), -1);
  }

  MemoryPlan run() {
    const int count = static_cast<int>(program_.values.size());
    for (int id = 0; id < count; ++id) add_value(id);
    // Windows and shared memory only refer to blocks, which now are all there.
    for (int id = 0; id < count; ++id) join_value(id);
    place_blocks();
    for (int id = 0; id < count; ++id) set_place(id);
    return std::move(plan_);
  }

 private:
  const ValueLayout& layout(int id) const { return program_.layouts[id]; }
  const Life& life(int id) const { return plan_.lives[id]; }

  int add_block(size_t size, const Life& life) {
    if (size > kMaxArena) too_large();
    blocks_.push_back({round_up(size), 0, life.begin, life.end});
    return static_cast<int>(blocks_.size()) - 1;
  }

  void add_value(int id) {
    const ValueLayout& chosen = layout(id);
    Place& place = plan_.places[id];
    const int64_t images = life(id).images;
    if (chosen.has_planes) {
      place.planes_stride = static_cast<size_t>(chosen.planes.image) * sizeof(float);
      if (chosen.window_of < 0 && chosen.same_memory < 0 && over_[id] < 0) {
        const double bytes =
            static_cast<double>(chosen.planes.image) * static_cast<double>(images) * sizeof(float);
        if (bytes > static_cast<double>(kMaxArena)) too_large();
        planes_[id] =
            add_block(sizeof(float) *
                          static_cast<size_t>(kernels::elements_before(chosen.planes) +
                                              kernels::elements_from_origin(chosen.planes, images)),
                      life(id));
      }
    }
    if (!chosen.has_planes && chosen.same_memory >= 0) {
      place.compact_stride =
          round_up(program_.values[id].bytes());  // of the earlier value, as large
    } else if (!chosen.has_planes || chosen.converts()) {
      place.compact_stride = round_up(program_.values[id].bytes());
      compact_[id] =
          add_block(place.compact_stride * static_cast<size_t>(images) + kValueSlack, life(id));
    } else if (chosen.has_compact) {
      place.compact_stride = place.planes_stride;
    }
  }

  void join_value(int id) {
    const ValueLayout& chosen = layout(id);
    if (chosen.same_memory < 0 && chosen.window_of < 0 && over_[id] < 0) return;
    int owner = memory_of(program_, id);
    while (over_[owner] >= 0) owner = over_[owner];
    std::vector<int>& form = chosen.has_planes ? planes_ : compact_;
    form[id] = form[owner];
    Block& block = blocks_[form[id]];
    block.begin = std::min(block.begin, life(id).begin);
    block.end = std::max(block.end, life(id).end);
  }

  // Largest first, each at the lowest place that is free all its life.
  void place_blocks() {
    std::vector<size_t> order(blocks_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [this](size_t a, size_t b) { return blocks_[a].size > blocks_[b].size; });
    std::vector<size_t> placed;  // by rising offset
    for (size_t id : order) {
      Block& block = blocks_[id];
      for (size_t other : placed) {
        if (!block.meets(blocks_[other])) continue;
        if (block.offset + block.size <= blocks_[other].offset) break;
        block.offset = std::max(block.offset, blocks_[other].offset + blocks_[other].size);
      }
      plan_.arena_bytes = std::max(plan_.arena_bytes, block.offset + block.size);
      if (plan_.arena_bytes > kMaxArena) too_large();
      auto at = std::upper_bound(
          placed.begin(), placed.end(), block.offset,
          [this](size_t value, size_t other) { return value < blocks_[other].offset; });
      placed.insert(at, id);
    }
  }

  void set_place(int id) {
    const ValueLayout& chosen = layout(id);
    Place& place = plan_.places[id];
    if (chosen.has_planes) {
      const int64_t elements =
          kernels::elements_before(chosen.planes) + chosen.window_channel * chosen.planes.plane;
      place.planes = blocks_[planes_[id]].offset + static_cast<size_t>(elements) * sizeof(float);
      place.compact = place.planes;
      if (chosen.second_half > 0) {
        const Block& block = blocks_[planes_[id]];
        plan_.lower_bytes = std::max(plan_.lower_bytes, block.offset + block.size);
      }
    }
    if (compact_[id] >= 0) place.compact = blocks_[compact_[id]].offset;
  }

  [[noreturn]] void too_large() const {
    throw Error(ErrorKind::kFormat, program_.container.name,
                "the values of a run must need at most 16 GiB",
                concat("more for ", images_, images_ > 1 ? " images" : " image"),
                "Use smaller images or fewer channels");
  }

  const Program& program_;
  const int64_t images_;
  MemoryPlan plan_;
  std::vector<Block> blocks_;
  std::vector<int> over_;              // value over whose rows a group writes one, or -1
  std::vector<int> compact_, planes_;  // block of each value's form, or -1
};

}  // namespace

MemoryPlan plan_memory(const Program& program, const Schedule& schedule,
                       const std::vector<BandGroup>& groups) {
  return Planner(program, schedule, groups).run();
}

}  // namespace niwaki
