// In what order a batch's images pass through the layers.
//
// Layers are cut into segments. A segment takes a few images at a time through all of its layers
// (their values then stay in the cache) before it takes the next; the next segment begins when all
// images of the chunk are through. Early layers, whose maps fill the cache by themselves, so run
// image by image; late ones, whose maps are small and weights large, many images at once.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/program.h"

namespace niwaki {

struct Segment {
  int first = 0, last = 0;  // layers [first, last)
  int64_t images = 1;       // at a time
};

struct Schedule {
  int64_t images = 1;  // of one chunk
  std::vector<Segment> segments;

  int segment_of(int layer) const;
  int64_t images_of(int layer) const { return segments[segment_of(layer)].images; }
};

// One image through all layers.
Schedule single_schedule(const Program& program);

// For batches, in chunks of at most `most` images.
Schedule batch_schedule(const Program& program, int64_t most);

// Where values live and how many images of each are held.
struct Life {
  int begin = -1, end = -1;  // layers; -1 is before the first
  int64_t images = 1;
  bool crosses = false;  // is touched in several segments: holds the whole chunk
  bool meets(const Life& other) const { return begin <= other.end && other.begin <= end; }
};
std::vector<Life> find_lives(const Program& program, const Schedule& schedule);

}  // namespace niwaki
