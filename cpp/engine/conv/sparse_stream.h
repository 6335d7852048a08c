// Weights as the sparse kernels take them: taps in the order in which they are worked on.
//
// A unit is what one segment of the stream sums: an output channel ("sparse") or a block of four
// ("sparse4"). Its taps are in channel-major order (c, then i, then j) whatever the blocks, so that
// tuning never changes a sum's bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/conv/phases.h"
#include "sparse_conv_f32/sparse_conv_f32.h"

namespace niwaki::conv {

template <class Tap>
struct UnitTap {
  int64_t order;    // (c * kh + i) * kw + j
  int64_t channel;  // c
  Tap tap;
};

template <class Tap>
using Units = std::vector<std::vector<UnitTap<Tap>>>;

template <class Tap>
struct Stream {
  struct Part {  // a share of the units, about as much work as each other one
    size_t first_tap = 0, first_segment = 0, segments = 0;
    size_t first_block = 0, blocks = 0;
  };
  struct Block {  // what a part does with `block` input channels from `channel` on
    int64_t channel = 0;
    size_t first_tap = 0, first_segment = 0, segments = 0;
  };
  std::vector<Tap> taps;
  std::vector<kernels::SparseSegment> segments;
  std::vector<Part> parts;
  std::vector<Block> blocks;  // of all parts

  size_t bytes() const {
    return taps.size() * sizeof(Tap) + segments.size() * sizeof(kernels::SparseSegment);
  }
};

// The bounds of `parts` runs of units with about equal work: parts + 1 of them.
template <class Tap>
std::vector<size_t> share_out(const Units<Tap>& units, size_t parts) {
  constexpr size_t kUnitCost = 4;  // a store, in taps
  size_t total = 0;
  for (const auto& unit : units) total += unit.size() + kUnitCost;
  std::vector<size_t> bounds = {0};
  size_t done = 0;
  for (size_t u = 0; u < units.size(); ++u) {
    done += units[u].size() + kUnitCost;
    while (bounds.size() < parts && done * parts >= total * bounds.size()) bounds.push_back(u + 1);
  }
  while (bounds.size() <= parts) bounds.push_back(units.size());
  return bounds;
}

// Sort the units' taps, and cut them by blocks of `block` input channels. Within a block, segments
// rise in length (loop ends are then foreseen); units without taps there have none, but for the
// empty segment of a unit without any.
template <class Tap>
Stream<Tap> make_stream(Units<Tap> units, int64_t channels, int64_t block, int64_t parts) {
  Stream<Tap> stream;
  for (auto& unit : units) {
    const auto by_order = [](const auto& a, const auto& b) { return a.order < b.order; };
    if (!std::is_sorted(unit.begin(), unit.end(), by_order)) {
      std::sort(unit.begin(), unit.end(), by_order);
    }
  }
  struct Cut {
    size_t unit, first, last;
  };
  std::vector<size_t> done(units.size(), 0);
  const std::vector<size_t> bounds = share_out(units, static_cast<size_t>(parts));
  for (size_t part = 0; part + 1 < bounds.size(); ++part) {
    const size_t first_segment = stream.segments.size();
    const size_t first_tap = stream.taps.size();
    const size_t first_block = stream.blocks.size();
    for (int64_t channel = 0; channel < std::max<int64_t>(channels, 1); channel += block) {
      std::vector<Cut> cuts;
      for (size_t u = bounds[part]; u < bounds[part + 1]; ++u) {
        const auto& unit = units[u];
        const size_t first = done[u];
        while (done[u] < unit.size() && unit[done[u]].channel < channel + block) ++done[u];
        if (done[u] > first || (unit.empty() && channel == 0)) cuts.push_back({u, first, done[u]});
      }
      std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
        return a.last - a.first < b.last - b.first;
      });
      if (cuts.empty()) continue;
      stream.blocks.push_back({channel, stream.taps.size(), stream.segments.size(), cuts.size()});
      for (const Cut& cut : cuts) {
        const auto& unit = units[cut.unit];
        const int32_t flags = (cut.first == 0 ? kernels::kSegmentStarts : 0) |
                              (cut.last == unit.size() ? kernels::kSegmentFinishes : 0);
        stream.segments.push_back(
            {static_cast<int32_t>(cut.unit), static_cast<int32_t>(cut.last - cut.first), flags});
        for (size_t k = cut.first; k < cut.last; ++k) stream.taps.push_back(unit[k].tap);
      }
    }
    stream.parts.push_back({first_tap, first_segment, stream.segments.size() - first_segment,
                            first_block, stream.blocks.size() - first_block});
  }
  return stream;
}

// Where a weight's tap lies: its channel of the input, its place in the sum, and its offset.
struct TapPlace {
  int64_t channel, order, offset;
};

// The places of all taps of a convolution, worked out once: a file's weights are many.
class TapPlaces {
 public:
  TapPlaces(const Problem& problem, const Phases& phases);

  TapPlace operator()(int64_t output, int32_t position) const {
    TapPlace place = first_[static_cast<size_t>(position)];
    if (outputs_per_group_ > 0) {
      const int64_t channels = output / outputs_per_group_ * inputs_per_group_;
      place.channel += channels;
      place.order += channels * taps_;
      place.offset += channels * plane_;
    }
    return place;
  }

 private:
  std::vector<TapPlace> first_;    // of the first group, by position
  int64_t outputs_per_group_ = 0;  // 0: one group
  int64_t inputs_per_group_, taps_, plane_;
};

}  // namespace niwaki::conv
