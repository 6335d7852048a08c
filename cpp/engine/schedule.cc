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

void add_layer(Schedule& schedule, int64_t images) {
  auto& segments = schedule.segments;
  const int index = segments.empty() ? 0 : segments.back().last;
  if (!segments.empty() && segments.back().images == images) {
    ++segments.back().last;
  } else {
    segments.push_back({index, index + 1, images});
  }
}

// Between segments all images are held: a short one joins its neighbour, with the fewer images.
void merge_short(Schedule& schedule) {
  auto& segments = schedule.segments;
  for (size_t s = 0; s < segments.size() && segments.size() > 1;) {
    if (segments[s].last - segments[s].first >= kShortest) {
      ++s;
      continue;
    }
    const size_t other = s + 1 < segments.size() ? s + 1 : s - 1;
    const size_t first = std::min(s, other);
    segments[first].last = segments[first + 1].last;
    segments[first].images = std::min(segments[first].images, segments[first + 1].images);
    segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(first) + 1);
    s = first;
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

Schedule batch_schedule(const Program& program) {
  const int count = static_cast<int>(program.layers.size());
  size_t largest = 1;
  for (const Layer& layer : program.layers) {
    largest = std::max(largest, layer_bytes(program, layer));
  }
  Schedule schedule;
  schedule.images =
      std::clamp<int64_t>(static_cast<int64_t>(kMaxChunkBytes / largest), 1, kMaxImages);
  for (int index = 0; index < count; ++index) {
    const size_t bytes = std::max<size_t>(layer_bytes(program, program.layers[index]), 1);
    int64_t images = 1;
    while (images * 2 <= schedule.images && bytes * static_cast<size_t>(images * 2) <= kCacheBytes)
      images *= 2;
    add_layer(schedule, images);
  }
  merge_short(schedule);
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
    lives[layer.output].begin = index;
    touch(layer.output, index);
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
