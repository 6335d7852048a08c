// "winograd" (F(4x4, 3x3)) and "winograd2" (F(2x2, 3x3)): dense 3x3 convolutions of stride 1 with a
// quarter, or 4 / 9, of the multiplications (kernels/winograd_f32). The first is rounded to some
// 1e-5 of the layer's largest value; the second nearly as well as a plain sum, and its weights take
// 16 / 9 of their memory instead of 4 times: for deep layers on small maps, which are bound by
// that.
#include <algorithm>

#include "engine/conv/conv.h"
#include "winograd_f32/winograd_f32.h"

namespace niwaki::conv {
namespace {

using namespace kernels;

constexpr int64_t kLeastChannels = 16;       // else turning pixels around costs more than it gains
constexpr int64_t kCacheBytes = 512 * 1024;  // of V and M, in half of an L2
constexpr int64_t kWeightBytes = 3 << 20;  // more of them are read from afar: by few, large chunks

template <int64_t kTile>
class Winograd final : public Algorithm {
 public:
  Winograd(const Problem& problem, const Tuning& tuning)
      : problem_(problem), function_(select_kernel<WinogradF32>(problem.isa)) {
    const int64_t all = winograd_tiles(kTile, problem_.output.height);
    const int64_t rows = tuned(tuning, "rows", static_cast<int>(best_rows(problem)));
    chunks_ = (all + std::clamp<int64_t>(rows, 1, all) - 1) / std::clamp<int64_t>(rows, 1, all);
    rows_ = (all + chunks_ - 1) / chunks_;
    pack_weights();
    const WinogradScratch scratch = winograd_scratch(kTile, problem_.input, problem_.output, rows_);
    thread_bytes = static_cast<size_t>(scratch.total()) * sizeof(float);
    packed_bytes = weights_.size() * sizeof(float);
    kernel = function_.entry->name;
    problem_.weights = nullptr;
  }

  // Rows of tiles of a chunk: V and M in the cache, unless that many chunks would read more
  // weights.
  static int64_t best_rows(const Problem& problem) {
    constexpr int64_t kArea = (kTile + 2) * (kTile + 2);
    const int64_t all = winograd_tiles(kTile, problem.output.height);
    const int64_t weight_bytes = kArea * problem.input.channels * problem.output.channels * 4;
    const int64_t row_bytes = kArea * (problem.input.channels + problem.output.channels) *
                              winograd_tiles(kTile, problem.output.width) * 4;
    const int64_t budget = weight_bytes > kWeightBytes ? 8 * kCacheBytes : kCacheBytes;
    const int64_t fitting = std::clamp<int64_t>(budget / row_bytes, 1, all);
    const int64_t threads = std::max(problem.threads, 1);  // a chunk for each at least
    return std::min(fitting, (all + threads - 1) / threads);
  }

  int64_t tasks(int, int64_t images) const override { return images * chunks_; }

  void run(const Call& call, int, int64_t task, uint8_t* scratch) const override {
    const int64_t all = winograd_tiles(kTile, problem_.output.height);
    const int64_t first = task % chunks_ * rows_;
    const int64_t n = task / chunks_;
    WinogradF32Args args = {};
    args.tile = kTile;
    args.input = call.input + n * problem_.input.image;
    args.in = problem_.input;
    args.pad_top = problem_.window.pad_top;
    args.pad_left = problem_.window.pad_left;
    args.weights = weights_.data();
    args.output = call.output + n * problem_.output.image;
    args.out = problem_.output;
    args.first_tile_row = first;
    args.tile_rows = std::min(rows_, all - first);
    args.bias = problem_.bias;
    args.residual = problem_.has_residual ? call.residual + n * problem_.residual.image : nullptr;
    args.store.residual_plane = problem_.residual.plane;
    args.store.activation = problem_.activation;
    args.store.mask = problem_.mask;
    args.scratch = reinterpret_cast<float*>(scratch);
    if (args.tile_rows > 0) function_(args);
  }

 private:
  void pack_weights() {
    constexpr int64_t kArea = (kTile + 2) * (kTile + 2);
    const int64_t inputs = problem_.input.channels;
    const int64_t step = winograd_blocks(problem_.output.channels) * inputs * kWinogradBlock;
    weights_.assign(static_cast<size_t>(kArea * step), 0);
    const EntryLists& lists = *problem_.weights;
    std::vector<float> filters(static_cast<size_t>(inputs * 9));
    for (int64_t o = 0; o < problem_.output.channels; ++o) {
      std::fill(filters.begin(), filters.end(), 0.0F);
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        const int64_t position = lists.entries[e].position;
        filters[position % inputs * 9 + position / inputs] = lists.entries[e].value;
      }
      float* to =
          weights_.data() + o / kWinogradBlock * inputs * kWinogradBlock + o % kWinogradBlock;
      for (int64_t c = 0; c < inputs; ++c) {
        winograd_filter(kTile, &filters[c * 9], to + c * kWinogradBlock, step);
      }
    }
  }

  Problem problem_;  // its `weights` is gone by the first run
  Kernel<WinogradF32> function_;
  int64_t rows_ = 1, chunks_ = 1;  // rows of tiles of a chunk, chunks of an image
  std::vector<float> weights_;
};

template <int64_t kTile>
bool applies(const Problem& problem) {
  const Window& w = problem.window;
  return problem.has_whole_tiles(kTile) && problem.isa != Isa::reference && problem.groups == 1 &&
         w.kernel_h == 3 && w.kernel_w == 3 && w.stride_h == 1 && w.stride_w == 1 &&
         w.dilation_h == 1 && w.dilation_w == 1 && problem.input.channels >= kLeastChannels &&
         problem.output.channels >= kLeastChannels &&
         (!problem.has_residual || problem.residual.row == problem.output.row);
}

template <int64_t kTile>
std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning& tuning) {
  return std::make_unique<Winograd<kTile>>(problem, tuning);
}

template <int64_t kTile>
std::vector<Tuning> tunings(const Problem& problem) {
  const int64_t best = Winograd<kTile>::best_rows(problem);
  const int64_t all = winograd_tiles(kTile, problem.output.height);
  std::vector<Tuning> found;
  for (const int64_t rows : {best, std::max<int64_t>(best / 2, 1), std::min(best * 2, all)}) {
    const Tuning tuning = {{"rows", static_cast<int>(rows)}};
    if (std::find(found.begin(), found.end(), tuning) == found.end()) found.push_back(tuning);
  }
  return found;
}

// Multiplications at 50 GMAC/s (Zen 4), 100 ns for 16 channels of a tile in and as much out, and
// transformed weights read at 25 GB/s where no cache holds them.
template <int64_t kTile>
double estimate(const Problem& problem) {
  constexpr double kArea = (kTile + 2) * (kTile + 2);
  const auto inputs = static_cast<double>(problem.input.channels);
  const auto outputs = static_cast<double>((problem.output.channels + 15) / 16 * 16);
  const auto tiles = static_cast<double>(winograd_tiles(kTile, problem.output.height) *
                                         winograd_tiles(kTile, problem.output.width));
  const double multiplied = tiles * kArea * inputs * outputs / 50e6;
  const double turned = tiles * (inputs + outputs) / 16 * kArea / 36 * 1e-4;
  const double bytes = kArea * inputs * outputs * 4;
  const double read = bytes > 8e6 ? bytes / 25e6 : 0;
  return (std::max(multiplied, read) + turned + read / 3) * (problem.isa >= Isa::x86_avx2 ? 1 : 6);
}

}  // namespace

Row row_of_winograd() { return {"winograd", applies<4>, build<4>, tunings<4>, estimate<4>}; }
Row row_of_winograd2() { return {"winograd2", applies<2>, build<2>, tunings<2>, estimate<2>}; }

}  // namespace niwaki::conv
