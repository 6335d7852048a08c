// What "sparse" and "sparse4" share: a stream of taps over tiles of pixels, split into tasks.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "engine/conv/phases.h"
#include "engine/conv/sparse_pack.h"
#include "engine/conv/sparse_stream.h"

namespace niwaki::conv {

// How a sparse kernel runs: what `tuning` names, and how the work is cut into tasks.
struct SparsePlan {
  int64_t tile = 6;      // vectors of pixels in registers at once
  int64_t block = 64;    // input channels whose activations should stay in the L1 cache
  int64_t ranges = 1;    // of pixels, a task each ...
  int64_t parts = 1;     // ... times parts of the outputs
  bool outputs = false;  // one range only: threads share out the outputs
};

// Cuts the work into tasks for the problem's threads, as many for each, of whole tiles and some 10
// us where that can be; `milliseconds` is its estimate.
void cut_tasks(const Problem& problem, double milliseconds, SparsePlan& plan);

// Floats of a vector of that instruction set.
int64_t lanes_of(kernels::Isa isa);

// Vectors of pixels on the output's flat axis, of one image.
int64_t vectors_of(const Problem& problem);

// Whether offsets fit the stream: true but for maps of gigabytes.
bool fits_offsets(const Problem& problem);

// Whether ranges would leave each thread so few vectors of pixels that sharing out the outputs may
// be faster: every tap is then read once for all pixels.
bool has_short_ranges(const Problem& problem);

template <class Op, class Tap>
class SparseConv final : public Algorithm {
 public:
  // With a pack that is active, the stream's offsets are those into its scratch.
  SparseConv(const Problem& problem, Phases phases, Stream<Tap> stream, const SparsePlan& plan,
             SparsePack pack = {})
      : phases_(std::move(phases)),
        stream_(std::move(stream)),
        pack_(std::move(pack)),
        channels_(problem.input.channels),
        lanes_(lanes_of(problem.isa)),
        plan_(plan),
        output_(problem.output),
        kernel_(kernels::select_kernel<Op>(problem.isa)) {
    store_.bias = problem.bias;
    store_.residual_plane = problem.residual.plane;
    store_.residual_image = problem.residual.image;
    store_.activation = problem.activation;
    store_.mask = problem.mask;
    store_.pixels = output_.pixels();
    shared_bytes = phases_.scratch_bytes(problem.max_images);
    thread_bytes = pack_.bytes();
    packed_bytes = stream_.bytes();
    kernel = std::string(kernel_.entry->name);
    if (!phases_.in_place()) kernel += " behind " + phases_.kernel();
  }

  int stages() const override { return phases_.in_place() ? 1 : 2; }

  int64_t tasks(int stage, int64_t images) const override {
    if (stage + 1 < stages()) return phases_.tasks(images);
    return plan_.ranges * static_cast<int64_t>(stream_.parts.size());
  }

  void run(const Call& call, int stage, int64_t task, uint8_t* scratch) const override {
    if (stage + 1 < stages()) return phases_.run(call, task, call.shared);
    const auto parts = static_cast<int64_t>(stream_.parts.size());
    const int64_t range = task / parts;
    // Ranges begin at whole cache lines.
    const int64_t lines = (output_.pixels() + 15) / 16;
    run_part(call, static_cast<size_t>(task % parts), lines * range / plan_.ranges * 16,
             std::min(lines * (range + 1) / plan_.ranges * 16, output_.pixels()), call.images,
             scratch);
  }

  bool bands() const override { return phases_.in_place(); }

  void run_rows(const Call& call, int64_t first, int64_t last, uint8_t* scratch) const override {
    // From a whole cache line on, as tiles load and store best: some pixels of the row before,
    // which are made again, the same.
    const int64_t begin = first * output_.row / 16 * 16;
    for (size_t part = 0; part < stream_.parts.size(); ++part) {
      run_part(call, part, begin, last * output_.row, 1, scratch);
    }
  }

  bool ranges() const override { return phases_.in_place(); }

  void run_range(const Call& call, int64_t first, int64_t last, uint8_t* scratch) const override {
    for (size_t part = 0; part < stream_.parts.size(); ++part) {
      run_part(call, part, first, last, 1, scratch);
    }
  }

 private:
  void run_part(const Call& call, size_t index, int64_t begin, int64_t end, int64_t images,
                uint8_t* scratch) const {
    const auto& part = stream_.parts[index];
    typename Op::Args args{};
    args.input = phases_.origin(call, call.shared);
    args.input_image = phases_.image();
    args.output = call.output;
    args.output_plane = output_.plane;
    args.output_image = output_.image;
    args.outputs = output_.channels;
    args.store = store_;
    args.store.residual = call.residual;
    args.begin = begin;
    args.end = end;
    args.images = images;
    args.tile = plan_.tile;
    if (pack_.active()) return run_packed(part, args, reinterpret_cast<float*>(scratch));
    args.taps = stream_.taps.data() + part.first_tap;
    args.segments = stream_.segments.data() + part.first_segment;
    args.segment_count = static_cast<int64_t>(part.segments);
    kernel_(args);
  }

  // Image by image, tile by tile, block by block: copy what their taps read, then add them.
  void run_packed(const typename Stream<Tap>::Part& part, const typename Op::Args& all,
                  float* scratch) const {
    const int64_t vectors = (all.end - all.begin + lanes_ - 1) / lanes_;
    const int64_t tiles = (vectors + plan_.tile - 1) / plan_.tile;
    typename Op::Args args = all;
    args.images = 1;
    args.input = scratch;
    for (int64_t n = 0; n < all.images; ++n) {
      args.output = all.output + n * output_.image;
      if (all.store.residual != nullptr) {
        args.store.residual = all.store.residual + n * all.store.residual_image;
      }
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t from = vectors * tile / tiles * lanes_;
        const int64_t to = vectors * (tile + 1) / tiles * lanes_;
        args.begin = args.input_begin = all.begin + from;
        args.end = std::min(all.begin + to, all.end);
        const float* input = all.input + n * all.input_image + args.begin;
        for (size_t index = part.first_block; index < part.first_block + part.blocks; ++index) {
          const auto& block = stream_.blocks[index];
          pack_.copy(input + block.channel * phases_.channel(),
                     std::min(plan_.block, channels_ - block.channel), to - from, scratch);
          args.taps = stream_.taps.data() + block.first_tap;
          args.segments = stream_.segments.data() + block.first_segment;
          args.segment_count = static_cast<int64_t>(block.segments);
          kernel_(args);
        }
      }
    }
  }

  Phases phases_;
  Stream<Tap> stream_;
  SparsePack pack_;
  int64_t channels_, lanes_;
  SparsePlan plan_;
  kernels::Planes output_;
  kernels::ConvStore store_;
  kernels::Kernel<Op> kernel_;
};

}  // namespace niwaki::conv
