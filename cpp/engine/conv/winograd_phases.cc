// "winograd_phases": dense convolutions of few channels by Winograd's F(4x4, r x r) on the phases
// of the input (kernels/winograd_phases_f32), for windows of r = 2 to 5 taps a phase. The stem of a
// network: 7x7 / 2 with a quarter, 11x11 / 4 with a third of the multiplications; 5x5 with a sixth.
// Rounded to some 5e-6 of the layer's largest value.
#include <algorithm>

#include "engine/conv/conv.h"
#include "winograd_phases_f32/winograd_phases_f32.h"

namespace niwaki::conv {
namespace {

using namespace kernels;

constexpr int64_t kCacheBytes = 384 * 1024;   // of V, beside the weights in an L2
constexpr double kMostWeightBytes = 4 << 20;  // more would be read from afar for every chunk
constexpr double kMostRowBytes = 4 << 20;     // of V: a thread's scratch stays modest
constexpr int64_t kMostStride = 4;

WinogradPhases sizes_of(const Problem& problem) {
  const Window& w = problem.window;
  return winograd_phases_of(winograd_phases_side(w), problem.input, problem.output, w.stride_h,
                            w.stride_w);
}

class WinogradByPhases final : public Algorithm {
 public:
  WinogradByPhases(const Problem& problem, const Tuning& tuning)
      : problem_(problem),
        sizes_(sizes_of(problem)),
        function_(select_kernel<WinogradPhasesF32>(problem.isa)) {
    const int64_t all = winograd_phases_rows(problem_.output);
    const int64_t rows =
        std::clamp<int64_t>(tuned(tuning, "rows", static_cast<int>(best_rows(problem))), 1, all);
    // As many rows for each thread, in chunks of that many and what remains.
    const int64_t threads = std::clamp<int64_t>(problem.threads, 1, all);
    for (int64_t thread = 0; thread < threads; ++thread) {
      const int64_t end = all * (thread + 1) / threads;
      for (int64_t row = all * thread / threads; row < end; row += rows) first_rows_.push_back(row);
    }
    first_rows_.push_back(all);
    rows_ = rows;
    pack_weights();
    thread_bytes = static_cast<size_t>(sizes_.scratch(rows_)) * sizeof(float);
    packed_bytes = weights_.size() * sizeof(float);
    kernel = function_.entry->name;
    problem_.weights = nullptr;
  }

  // Rows of tiles of a chunk: those of all whose V fits the cache, and that leave a chunk for each
  // thread, with the fewest vectors of tiles; of equals the most.
  static int64_t best_rows(const Problem& problem) {
    const WinogradPhases sizes = sizes_of(problem);
    const int64_t all = winograd_phases_rows(problem.output);
    const int64_t threads = std::max(problem.threads, 1);
    int64_t best = 1;
    for (int64_t rows = 2; rows <= (all + threads - 1) / threads; ++rows) {
      if (sizes.v(rows) * static_cast<int64_t>(sizeof(float)) > kCacheBytes) break;
      if (vectors(problem, rows) <= vectors(problem, best)) best = rows;
    }
    return best;
  }

  // Vectors of 16 tiles of an image, in chunks of that many rows.
  static int64_t vectors(const Problem& problem, int64_t rows) {
    const int64_t all = winograd_phases_rows(problem.output);
    const int64_t tiles = sizes_of(problem).tiles();
    const auto of = [&](int64_t r) { return (r * tiles + kPhaseMostLanes - 1) / kPhaseMostLanes; };
    return all / rows * of(rows) + of(all % rows);
  }

  int64_t tasks(int, int64_t images) const override { return images * chunks(); }

  void run(const Call& call, int, int64_t task, uint8_t* scratch) const override {
    const Window& w = problem_.window;
    const int64_t n = task / chunks();
    const auto chunk = static_cast<size_t>(task % chunks());
    WinogradPhasesF32Args args = {};
    args.side = sizes_.side;
    args.input = call.input + n * problem_.input.image;
    args.in = problem_.input;
    args.stride_h = w.stride_h;
    args.stride_w = w.stride_w;
    args.pad_top = w.pad_top;
    args.pad_left = w.pad_left;
    args.weights = weights_.data();
    args.output = call.output + n * problem_.output.image;
    args.out = problem_.output;
    args.first_tile_row = first_rows_[chunk];
    args.tile_rows = first_rows_[chunk + 1] - first_rows_[chunk];
    args.bias = problem_.bias;
    args.residual = problem_.has_residual ? call.residual + n * problem_.residual.image : nullptr;
    args.store.residual_plane = problem_.residual.plane;
    args.store.activation = problem_.activation;
    args.scratch = reinterpret_cast<float*>(scratch);
    function_(args);
  }

 private:
  int64_t chunks() const { return static_cast<int64_t>(first_rows_.size()) - 1; }

  void pack_weights() {
    const Window& w = problem_.window;
    const int64_t inputs = problem_.input.channels;
    const int64_t area = w.kernel_h * w.kernel_w;
    weights_.resize(static_cast<size_t>(problem_.output.channels * sizes_.weights_of_output()));
    const EntryLists& lists = *problem_.weights;
    std::vector<float> filters(static_cast<size_t>(inputs * area));
    for (int64_t o = 0; o < problem_.output.channels; ++o) {
      std::fill(filters.begin(), filters.end(), 0.0F);
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        const int64_t position = lists.entries[e].position;
        filters[position % inputs * area + position / inputs] = lists.entries[e].value;
      }
      winograd_phases_filter(sizes_, inputs, w.kernel_h, w.kernel_w, filters.data(),
                             weights_.data() + o * sizes_.weights_of_output());
    }
  }

  Problem problem_;  // its `weights` is gone by the first run
  WinogradPhases sizes_;
  Kernel<WinogradPhasesF32> function_;
  int64_t rows_ = 1;                 // of tiles: the most of a chunk
  std::vector<int64_t> first_rows_;  // of an image's chunks, and all
  std::vector<float> weights_;
};

double weight_bytes(const Problem& problem) {
  return static_cast<double>(sizes_of(problem).weights_of_output()) *
         static_cast<double>(problem.output.channels) * sizeof(float);
}

// Products of all vectors of tiles, what they have behind the image included.
double multiplications(const Problem& problem) {
  const int64_t vectors = WinogradByPhases::vectors(problem, WinogradByPhases::best_rows(problem));
  return weight_bytes(problem) / sizeof(float) * static_cast<double>(vectors * kPhaseMostLanes);
}

bool applies(const Problem& problem) {
  const Window& w = problem.window;
  if (problem.isa == Isa::reference || problem.groups != 1 || w.dilation_h != 1 ||
      w.dilation_w != 1 || w.stride_h > kMostStride || w.stride_w > kMostStride) {
    return false;
  }
  const int64_t side = winograd_phases_side(w);
  if (side < kLeastPhaseSide || side > kMostPhaseSide) return false;
  if (problem.has_residual && problem.residual.row != problem.output.row) return false;
  return problem.has_whole_tiles(kPhaseTile) && weight_bytes(problem) <= kMostWeightBytes &&
         static_cast<double>(sizes_of(problem).v(1)) * sizeof(float) <= kMostRowBytes &&
         multiplications(problem) < problem.multiplications();
}

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning& tuning) {
  return std::make_unique<WinogradByPhases>(problem, tuning);
}

std::vector<Tuning> tunings(const Problem& problem) {
  const int64_t best = WinogradByPhases::best_rows(problem);
  std::vector<Tuning> found;
  const int64_t all = winograd_phases_rows(problem.output);
  for (const int64_t rows : {best, std::max<int64_t>(best / 2, 1), std::min(2 * best, all)}) {
    const Tuning tuning = {{"rows", static_cast<int>(rows)}};
    if (std::find(found.begin(), found.end(), tuning) == found.end()) found.push_back(tuning);
  }
  return found;
}

// On Zen 4: multiplications at 60 GMAC/s, at 50 where weights pass through the L2 for every vector
// of tiles; 70 ns to finish the 256 pixels of such a vector, 90 where the output leaves the near
// caches; 25 ns for each point of a column to transform a vector of patches. AVX2 reads each weight
// by an instruction of its own.
double estimate(const Problem& problem) {
  const WinogradPhases sizes = sizes_of(problem);
  const double rate = weight_bytes(problem) > kCacheBytes * 1.75 ? 50e6 : 60e6;
  const auto vectors =
      static_cast<double>(WinogradByPhases::vectors(problem, WinogradByPhases::best_rows(problem)));
  const auto outputs = static_cast<double>(problem.output.channels);
  const bool far = outputs * static_cast<double>(problem.output.pixels()) > 1e6;
  const double finished = vectors * outputs * (far ? 9e-5 : 7e-5);
  const double patches =
      vectors * static_cast<double>(sizes.channels) * static_cast<double>(sizes.side) * 2.5e-5;
  const double slower = problem.isa >= Isa::x86_avx512 ? 1 : problem.isa == Isa::x86_avx2 ? 1.9 : 6;
  return (multiplications(problem) / rate + finished + patches) * slower;
}

}  // namespace

Row row_of_winograd_phases() { return {"winograd_phases", applies, build, tunings, estimate}; }

}  // namespace niwaki::conv
