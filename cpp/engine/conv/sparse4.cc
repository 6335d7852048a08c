// "sparse4": weights whose zeros come in blocks of four output channels (4 o to 4 o + 3 share their
// positions), as niwaki.structures "block" prunes them. Each loaded vector of activations feeds
// four multiply-adds, so the layer runs at the peak of these and not of loads: about 1.7 times the
// speed of "sparse" on ResNet-50's convolutions at 90 % (one Zen 4 core).
//
// The structure is found in the weights: it applies where at least kLeastFill of the slots of all
// blocks with a non-zero are non-zeros, so a few extra zeros do no harm. Unstructured weights fill
// 25 to 40 % of them at 70 % zeros or more: there the union of four channels, or of two, costs more
// multiply-adds than it saves loads. Tuning: "tile" (vectors of pixels) and "block" (channels).
#include <cmath>
#include <map>

#include "engine/conv/sparse_conv.h"

namespace niwaki::conv {
namespace {

using kernels::SparseConv4F32;
using kernels::SparseTap4;

constexpr double kLeastFill = 0.75;

// Positions of each block of four outputs, each once. Stops where there must be more than `most`,
// and returns more then: unstructured weights are known after a tenth of them.
int64_t count_blocks(const EntryLists& lists, int64_t most = INT64_MAX) {
  int64_t blocks = 0;
  const auto outputs = static_cast<int64_t>(lists.starts.size()) - 1;
  std::vector<int32_t> positions;
  for (int64_t first = 0; first < outputs; first += 4) {
    const int64_t last = std::min(first + 4, outputs);
    positions.clear();
    for (int32_t e = lists.starts[first]; e < lists.starts[last]; ++e) {
      positions.push_back(lists.entries[e].position);
    }
    std::sort(positions.begin(), positions.end());
    blocks += std::unique(positions.begin(), positions.end()) - positions.begin();
    const int64_t left = lists.starts[outputs] - lists.starts[last];
    if (blocks + left / 4 > most) return blocks + left / 4;
  }
  return blocks;
}

bool applies(const Problem& problem) {
  if (problem.isa == kernels::Isa::reference) return false;
  if (problem.groups > 1 && problem.outputs_per_group() % 4 != 0) return false;
  const auto entries = static_cast<double>(problem.weights->entries.size());
  const auto most = static_cast<int64_t>(entries / (4 * kLeastFill));
  return entries > 0 && count_blocks(*problem.weights, most) <= most && fits_offsets(problem);
}

std::vector<Tuning> tunings(const Problem& problem) {
  std::vector<Tuning> found;
  const int64_t channels = problem.input.channels;
  for (const int64_t tile : {4, 3, 5, 6, 2}) {
    for (const int64_t block : {channels, int64_t{256}, int64_t{64}}) {
      const Tuning tuning = {{"tile", static_cast<int>(std::min(tile, vectors_of(problem)))},
                             {"block", static_cast<int>(std::min(block, channels))}};
      if (std::find(found.begin(), found.end(), tuning) == found.end()) found.push_back(tuning);
    }
  }
  return found;
}

// As sparse.cc's, per block and vector: four multiply-adds at 0.28 ns. AVX2 has half the pixels.
double estimate(const Problem& problem) {
  constexpr double kBlock = 1.13, kBlockSetup = 0.5, kStore = 0.9, kStoreFar = 1.7, kSplit = 0.6;
  const auto vectors = static_cast<double>(vectors_of(problem));
  const auto blocks = static_cast<double>(count_blocks(*problem.weights));
  const auto outputs = static_cast<double>(problem.output.channels);
  const double width = 16.0 / static_cast<double>(lanes_of(problem.isa));
  const double bytes = outputs * vectors * 64 / width;
  const double store = (bytes > 5e5 ? kStoreFar : kStore) * (problem.has_residual ? 1.5 : 1.0);
  double ns = blocks * vectors * kBlock / (width > 1 ? 1.6 : 1.0) +
              blocks * std::ceil(vectors / 4) * kBlockSetup + outputs * vectors * store;
  if (!kernels::taps_lie_in_place(problem.input, problem.output, problem.window)) {
    ns += static_cast<double>(problem.input.channels * problem.input.pixels()) / 16 * kSplit;
  }
  return ns * 1e-6 * (problem.isa == kernels::Isa::portable ? 4 : 1);
}

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning& tuning) {
  Phases phases(problem);
  const EntryLists& lists = *problem.weights;
  const int64_t outputs = problem.output.channels;
  const TapPlaces places(problem, phases);
  Units<SparseTap4> units(static_cast<size_t>((outputs + 3) / 4));
  for (int64_t first = 0; first < outputs; first += 4) {
    std::map<int32_t, SparseTap4> blocks;  // by position
    for (int64_t o = first; o < std::min(first + 4, outputs); ++o) {
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        blocks[lists.entries[e].position].values[o - first] = lists.entries[e].value;
      }
    }
    auto& unit = units[static_cast<size_t>(first / 4)];
    for (auto& [position, tap] : blocks) {
      const TapPlace place = places(first, position);
      tap.offset = static_cast<int32_t>(place.offset);
      unit.push_back({place.order, place.channel, tap});
    }
  }
  const Tuning best = tunings(problem).front();
  SparsePlan plan;
  plan.tile = std::max(tuned(tuning, "tile", tuned(best, "tile", 1)), 1);
  plan.block = std::max(tuned(tuning, "block", tuned(best, "block", 1)), 1);
  cut_tasks(problem, estimate(problem), plan);
  auto stream = make_stream(std::move(units), problem.input.channels, plan.block, plan.parts);
  return std::make_unique<SparseConv<SparseConv4F32, SparseTap4>>(problem, std::move(phases),
                                                                  std::move(stream), plan);
}

}  // namespace

Row row_of_sparse4() { return {"sparse4", applies, build, tunings, estimate}; }

}  // namespace niwaki::conv
