// "sparse": any float convolution as a stream of its non-zeros; any window, stride, dilation,
// group.
//
// Per non-zero it costs one fused multiply-add with one load per vector of pixels, so what decides
// is where those loads hit: 51 GMAC/s from the L1 cache when aligned, 34 unaligned, 27 from L2 (one
// Zen 4 core at 58 GMAC/s of FMA). Tunings: "tile" (vectors of pixels in registers), "block"
// (input channels whose activations should stay in L1 while all outputs use them) and "pack" (1:
// from aligned copies of a tile's activations, sparse_pack.h) and "outputs" (1: threads share out
// the outputs, not the pixels).
#include <cmath>

#include "engine/conv/sparse_conv.h"

namespace niwaki::conv {
namespace {

using kernels::SparseConvF32;
using kernels::SparseTap;

constexpr int64_t kNear = 40 * 1024;        // bytes of activations that mostly stay in a 32 KiB L1
constexpr int64_t kPackedNear = 48 * 1024;  // of packed ones

double taps_per_output(const Problem& problem) {
  return static_cast<double>(problem.weights->entries.size()) /
         static_cast<double>(std::max<int64_t>(problem.output.channels, 1));
}

// Bytes of one channel's activations that a tile reads.
int64_t tile_bytes(const Problem& problem, int64_t tile) {
  const kernels::Window& w = problem.window;
  const int64_t halo = (w.kernel_h - 1) * w.dilation_h * problem.output.row / w.stride_h;
  return (std::min(tile, vectors_of(problem)) * lanes_of(problem.isa) + halo) *
         static_cast<int64_t>(sizeof(float));
}

// Blocks that leave a segment fewer taps than this cost more in partial sums than they save.
constexpr double kLeastTaps = 6;

int64_t best_block(const Problem& problem, int64_t tile) {
  const int64_t channels = problem.input.channels;
  int64_t block = 16;
  while (block * 2 * tile_bytes(problem, tile) <= kNear) block *= 2;
  const double per_channel =
      taps_per_output(problem) / static_cast<double>(problem.inputs_per_group());
  while (block < channels && static_cast<double>(block) * per_channel < kLeastTaps) block *= 2;
  // Half-cached is no better than not at all.
  return block * tile_bytes(problem, tile) > 3 * kNear ? channels : std::min(block, channels);
}

Tuning tuning_of(int64_t tile, int64_t block) {
  return {{"tile", static_cast<int>(tile)}, {"block", static_cast<int>(block)}};
}

// A choice from a file may name any tile and block: scratch stays small.
constexpr int64_t kMostPacked = 1 << 20;

SparsePack pack_of(const Problem& problem, const Phases& phases, SparsePlan& plan) {
  plan.tile = std::min(plan.tile, vectors_of(problem));
  plan.block = std::min(plan.block, problem.input.channels);
  SparsePack pack(problem, phases, plan.tile * lanes_of(problem.isa), plan.block);
  return pack.bytes() <= kMostPacked ? pack : SparsePack();
}

// Taps of each copied channel's window, over all outputs: what a copy has to be paid by.
double uses_of_copy(const Problem& problem) {
  return taps_per_output(problem) / static_cast<double>(problem.row_size()) *
         static_cast<double>(problem.outputs_per_group());
}

constexpr double kPackedTried = 12;  // measured: from here on packing may gain,
constexpr double kPackedFirst = 24;  // and from here on it does, by 5 to 25 %

std::vector<Tuning> packed_tunings(const Problem& problem) {
  std::vector<Tuning> found;
  if (uses_of_copy(problem) < kPackedTried) return found;
  const Phases phases(problem);
  for (int64_t tile : {5, 4, 7}) {
    tile = std::min(tile, vectors_of(problem));
    const SparsePack one(problem, phases, tile * lanes_of(problem.isa), 1);
    if (!one.pays()) return found;
    int64_t block = 8;
    while (block * 2 * static_cast<int64_t>(one.bytes()) <= kPackedNear) block *= 2;
    for (const int64_t each : {block, block / 2}) {
      Tuning tuning = tuning_of(tile, std::min(each, problem.input.channels));
      tuning.emplace_back("pack", 1);
      if (std::find(found.begin(), found.end(), tuning) == found.end()) found.push_back(tuning);
    }
  }
  return found;
}

constexpr double kTapsForOutputs = 64;  // measured on 7x7 maps: from here on it gains

// Small tiles keep wide layers near, large ones have less overhead; small maps have no choice.
std::vector<Tuning> tunings(const Problem& problem) {
  const bool window = problem.window.kernel_h * problem.window.kernel_w > 1;
  const int64_t best = window || taps_per_output(problem) < 3 ? 6 : 5;
  std::vector<Tuning> found;
  const auto add = [&](int64_t tile, int64_t block) {
    const Tuning tuning =
        tuning_of(std::min(tile, vectors_of(problem)), std::min(block, problem.input.channels));
    if (std::find(found.begin(), found.end(), tuning) == found.end()) found.push_back(tuning);
  };
  add(best, best_block(problem, best));
  for (const int64_t tile : {4, 5, 6, 7, 8, 10, 14, 2}) {
    const int64_t block = best_block(problem, tile);
    add(tile, block);
    add(tile, problem.input.channels);
    if (block >= 32) add(tile, block / 2);
    add(tile, block * 2);
  }
  if (has_short_ranges(problem)) {
    Tuning outputs = found.front();
    outputs.emplace_back("outputs", 1);
    const bool first = taps_per_output(problem) >= kTapsForOutputs;
    found.insert(first ? found.begin() : found.begin() + 1, outputs);
  }
  const std::vector<Tuning> packed = packed_tunings(problem);
  const bool first = uses_of_copy(problem) >= kPackedFirst;
  found.insert(first ? found.begin() : found.end(), packed.begin(), packed.end());
  return found;
}

// Fitted on one Zen 4 core to the layers of ResNet-50 at 80 to 98 %: nanoseconds per vector and
// tap, per vector of output, and per tap and tile.
double estimate(const Problem& problem) {
  constexpr double kTap = 0.56, kTapSetup = 0.25, kStore = 0.9, kStoreFar = 1.7, kSplit = 0.6;
  const auto vectors = static_cast<double>(vectors_of(problem));
  const auto taps = static_cast<double>(problem.weights->entries.size());
  const auto outputs = static_cast<double>(problem.output.channels);
  const double width = 16.0 / static_cast<double>(lanes_of(problem.isa));
  const double bytes = outputs * vectors * 64 / width;
  const double store = (bytes > 5e5 ? kStoreFar : kStore) * (problem.has_residual ? 1.5 : 1.0);
  double ns = taps * vectors * kTap / (width > 1 ? 1.2 : 1.0) +
              taps * std::ceil(vectors / 6) * kTapSetup + outputs * vectors * store;
  if (!kernels::taps_lie_in_place(problem.input, problem.output, problem.window)) {
    ns += static_cast<double>(problem.input.channels * problem.input.pixels()) / 16 * kSplit;
  }
  return ns * 1e-6 * (problem.isa == kernels::Isa::portable ? 3 : 1);
}

bool applies(const Problem& problem) {
  return problem.isa != kernels::Isa::reference && fits_offsets(problem);
}

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning& tuning) {
  Phases phases(problem);
  const Tuning best = tunings(problem).front();
  SparsePlan plan;
  plan.tile = std::max(tuned(tuning, "tile", tuned(best, "tile", 1)), 1);
  plan.block = std::max(tuned(tuning, "block", tuned(best, "block", 1)), 1);
  plan.outputs = tuned(tuning.empty() ? best : tuning, "outputs", 0) != 0;
  cut_tasks(problem, estimate(problem), plan);
  SparsePack pack;
  if (tuned(tuning.empty() ? best : tuning, "pack", 0) != 0) pack = pack_of(problem, phases, plan);
  Units<SparseTap> units(static_cast<size_t>(problem.output.channels));
  const EntryLists& lists = *problem.weights;
  const TapPlaces places(problem, phases);
  for (int64_t o = 0; o < problem.output.channels; ++o) {
    units[o].reserve(static_cast<size_t>(lists.starts[o + 1] - lists.starts[o]));
    for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
      const Entry& entry = lists.entries[e];
      const TapPlace place = places(o, entry.position);
      const int64_t tap = place.offset - place.channel * phases.channel();
      const int64_t offset = pack.active() ? pack.offset(place.channel, tap) : place.offset;
      units[o].push_back({place.order, place.channel, {static_cast<int32_t>(offset), entry.value}});
    }
  }
  auto stream = make_stream(std::move(units), problem.input.channels, plan.block, plan.parts);
  return std::make_unique<SparseConv<SparseConvF32, SparseTap>>(
      problem, std::move(phases), std::move(stream), plan, std::move(pack));
}

}  // namespace

Row row_of_sparse() { return {"sparse", applies, build, tunings, estimate}; }

}  // namespace niwaki::conv
