#include "engine/schedule.h"

#include <algorithm>

namespace niwaki {
namespace {

constexpr int64_t kMaxImages = 16;            // of a chunk: more gains nothing
constexpr size_t kMaxChunkBytes = 48u << 20;  // of all values that live at once, roughly
constexpr size_t kCacheBytes = 1u << 20;      // of one layer's values: a core's L2, roughly

constexpr int kShortest = 6;  // layers of a segment

// Bytes that one image moves through a layer.
size_t layer_bytes(const Program& program, const Layer& layer) {
  size_t bytes = program.values[layer.output].bytes();
  for (int id : layer.inputs) bytes += program.values[id].bytes();
  return bytes;
}

// A short segment isn't worth a border: it joins the one before, which has fewer images.
void join_short(std::vector<Segment>& segments) {
  for (size_t s = segments.size(); s-- > 1;) {
    if (segments[s].last - segments[s].first >= kShortest) continue;
    segments[s - 1].last = segments[s].last;
    segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(s));
  }
}

}  // namespace

int Schedule::segment_of(int layer) const {
  for (size_t s = 0; s < segments.size(); ++s) {
    if (layer < segments[s].last) return static_cast<int>(s);
  }
  return static_cast<int>(segments.size()) - 1;
}

Schedule single_schedule(const Program& program) {
  return {1, {{0, static_cast<int>(program.layers.size()), 1}}};
}

Schedule batch_schedule(const Program& program, int64_t most) {
  Schedule schedule{most, {}};
  // From the back, so that each layer takes as few at once as any behind it: where segments meet,
  // all images are held, outside the cache, and that must be rare.
  int64_t images = most;
  for (int index = static_cast<int>(program.layers.size()) - 1; index >= 0; --index) {
    const size_t bytes = std::max<size_t>(layer_bytes(program, program.layers[index]), 1);
    while (images > 1 && bytes * static_cast<size_t>(images) > kCacheBytes) images /= 2;
    if (!schedule.segments.empty() && schedule.segments.front().images == images) {
      schedule.segments.front().first = index;
    } else {
      schedule.segments.insert(schedule.segments.begin(), {index, index + 1, images});
    }
  }
  join_short(schedule.segments);
  // Nothing is gained by holding several images that pass one by one.
  if (schedule.segments.size() == 1) schedule.images = schedule.segments[0].images;
  return schedule;
}

std::vector<Life> find_lives(const Program& program, const Schedule& schedule) {
  std::vector<Life> lives(program.values.size());
  std::vector<int> first_segment(program.values.size(), -1), last_segment(first_segment);
  std::vector<bool> crosses(program.values.size(), false);  // by the value that owns the memory
  std::vector<int> segment_of_memory(program.values.size(), -1);
  const int count = static_cast<int>(program.layers.size());
  auto touch = [&](int id, int index) {
    const int segment = schedule.segment_of(index);
    if (first_segment[id] < 0) first_segment[id] = segment;
    last_segment[id] = segment;
    lives[id].end = index;
    const int memory = memory_of(program, id);
    if (segment_of_memory[memory] < 0) segment_of_memory[memory] = segment;
    if (segment_of_memory[memory] != segment) crosses[memory] = true;
  };
  for (int index = 0; index < count; ++index) {
    const Layer& layer = program.layers[index];
    for (int id : layer.inputs) touch(id, index);
    // Bits that an earlier layer has written live from there on.
    if (program.written_by[index] < 0) lives[layer.output].begin = index;
    touch(layer.output, index);
    if (program.writes_bits[index] >= 0) {
      const int bits = program.layers[program.writes_bits[index]].output;
      lives[bits].begin = index;
      touch(bits, index);
    }
  }
  // Inputs are loaded for the whole chunk.
  for (int id : program.inputs) crosses[memory_of(program, id)] = true;
  for (size_t id = 0; id < lives.size(); ++id) {
    Life& life = lives[id];
    life.images = schedule.images;
    life.crosses = crosses[memory_of(program, static_cast<int>(id))];
    if (first_segment[id] < 0) continue;  // an input that nobody reads
    const Segment& first = schedule.segments[first_segment[id]];
    const Segment& last = schedule.segments[last_segment[id]];
    if (!life.crosses) {
      life.images = first.images;
      continue;
    }
    // Each round of a segment writes or reads a part of it.
    if (first.images < schedule.images) life.begin = std::min(life.begin, first.first);
    if (last.images < schedule.images) life.end = last.last - 1;
  }
  return lives;
}

}  // namespace niwaki
