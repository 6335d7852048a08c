#include "engine/plan.h"

#include <algorithm>
#include <numeric>

#include "common/plane_layout.h"
#include "engine/error.h"

namespace niwaki {
namespace {

static_assert(kValueSlack >= kernels::kPixelBlock * sizeof(float));

constexpr size_t kAlignment = 64;
constexpr size_t kMaxArena = size_t{16} << 30;

// A value lives from the layer that makes it to the last that reads it; -1 is before the first.
struct Life {
  int begin = -1, end = -1;
  bool meets(const Life& other) const { return begin <= other.end && other.begin <= end; }
};

std::vector<Life> find_lives(const Program& program) {
  std::vector<Life> lives(program.values.size());
  const int last = static_cast<int>(program.layers.size());
  for (int index = 0; index < last; ++index) {
    const Layer& layer = program.layers[index];
    lives[layer.output] = {index, index};
    for (int id : layer.inputs) lives[id].end = index;
  }
  for (int id : program.outputs) lives[id].end = last;
  return lives;
}

}  // namespace

MemoryPlan plan_memory(const Program& program) {
  const std::vector<Life> lives = find_lives(program);
  const size_t count = program.values.size();
  std::vector<size_t> sizes(count);
  for (size_t id = 0; id < count; ++id) {
    sizes[id] =
        (program.values[id].bytes() + kValueSlack + kAlignment - 1) / kAlignment * kAlignment;
  }
  // Largest first, each at the lowest place that is free all its life.
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&sizes](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  MemoryPlan plan;
  plan.offsets.assign(count, 0);
  std::vector<size_t> placed;  // by rising offset
  for (size_t id : order) {
    size_t offset = 0;
    for (size_t other : placed) {
      if (!lives[id].meets(lives[other])) continue;
      if (offset + sizes[id] <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + sizes[other]);
    }
    plan.offsets[id] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + sizes[id]);
    if (plan.arena_bytes > kMaxArena) {
      throw Error(ErrorKind::kFormat, program.container.name,
                  "one image must need at most 16 GiB of values", "more",
                  "Use smaller images or fewer channels");
    }
    auto at = std::upper_bound(
        placed.begin(), placed.end(), offset,
        [&plan](size_t value, size_t other) { return value < plan.offsets[other]; });
    placed.insert(at, id);
  }
  return plan;
}

}  // namespace niwaki
