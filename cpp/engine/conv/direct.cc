// "direct": dense convolution of any window, stride and group (kernels/dense_conv_f32). Reads the
// input where it lies, whatever the stride, as long as its pads are there; else it is copied once.
#include <algorithm>

#include "dense_conv_f32/dense_conv_f32.h"
#include "engine/conv/conv.h"
#include "engine/conv/pads.h"

namespace niwaki::conv {
namespace {

using namespace kernels;

constexpr int kPixels = 224;  // of one task, roughly: its activations stay in L2 for all outputs

class Direct final : public Algorithm {
 public:
  Direct(const Problem& problem, const Tuning& tuning)
      : problem_(problem),
        padded_(problem),
        taps_per_output_(problem.row_size()),
        blocks_((problem.outputs_per_group() + kDenseConvBlock - 1) / kDenseConvBlock),
        function_(select_kernel<DenseConvF32>(problem.isa)) {
    const Planes& out = problem_.output;
    // 16 registers hold 6 pixels by 2 vectors of channels, 32 hold twice 7.
    run_ = dense_conv_run(out.width, problem_.isa == Isa::x86_avx2 ? 6 : kDenseConvMostRun);
    const bool shared_row = !problem_.has_residual || problem_.residual.row == out.row;
    const int64_t pixels = std::clamp(tuned(tuning, "pixels", kPixels), 16, 1 << 14);
    const int64_t fitting = shared_row ? std::clamp<int64_t>(pixels / out.width, 1, out.height) : 1;
    chunks_ = (out.height + fitting - 1) / fitting;
    rows_ = (out.height + chunks_ - 1) / chunks_;
    const int64_t all_blocks = blocks_ * problem_.groups;
    const int64_t wanted = problem_.threads > 1 ? 4 * problem_.threads : 1;
    parts_ = std::clamp<int64_t>((wanted + chunks_ - 1) / chunks_, 1, all_blocks);
    find_taps();
    pack_weights();
    thread_bytes = static_cast<size_t>(dense_conv_slots(rows_, out.width, run_)) * kDenseConvBlock *
                   sizeof(float);
    shared_bytes = padded_.bytes();
    packed_bytes = weights_.size() * sizeof(float);
    kernel = function_.entry->name;
    problem_.weights = nullptr;
  }

  int stages() const override { return padded_.in_place() ? 1 : 2; }

  int64_t tasks(int stage, int64_t images) const override {
    return is_copy(stage) ? images : images * chunks_ * parts_;
  }

  void run(const Call& call, int stage, int64_t task, uint8_t* scratch) const override {
    if (is_copy(stage)) {
      padded_.fill(call, task);
      return;
    }
    const int64_t chunk = task / parts_ % chunks_;
    const int64_t first = chunk * rows_;
    const int64_t part = task % parts_;
    const int64_t all_blocks = blocks_ * problem_.groups;
    run_blocks(call, task / parts_ / chunks_, first,
               std::min(rows_, problem_.output.height - first), part * all_blocks / parts_,
               (part + 1) * all_blocks / parts_, scratch);
  }

  bool bands() const override { return padded_.in_place(); }

  void run_rows(const Call& call, int64_t first_row, int64_t last_row,
                uint8_t* scratch) const override {
    for (int64_t row = first_row; row < last_row; row += rows_) {
      run_blocks(call, 0, row, std::min(rows_, last_row - row), 0, blocks_ * problem_.groups,
                 scratch);
    }
  }

 private:
  bool is_copy(int stage) const { return !padded_.in_place() && stage == 0; }

  // Channel by channel, so that a block of taps reads few planes.
  void find_taps() {
    const Planes& in = padded_.planes();
    const Window& window = problem_.window;
    for (int64_t c = 0; c < problem_.inputs_per_group(); ++c) {
      for (int64_t i = 0; i < window.kernel_h; ++i) {
        for (int64_t j = 0; j < window.kernel_w; ++j) {
          taps_.push_back(static_cast<int32_t>(c * in.plane + i * window.dilation_h * in.row +
                                               j * window.dilation_w));
        }
      }
    }
  }

  // [group][block][tap][kDenseConvBlock], zeros behind a group's last output.
  void pack_weights() {
    const int64_t outputs = problem_.outputs_per_group();
    const int64_t inputs = problem_.inputs_per_group();
    const int64_t area = problem_.window.kernel_h * problem_.window.kernel_w;
    weights_.assign(
        static_cast<size_t>(problem_.groups * blocks_ * taps_per_output_ * kDenseConvBlock), 0);
    const EntryLists& lists = *problem_.weights;
    for (int64_t o = 0; o < problem_.output.channels; ++o) {
      const int64_t block = o / outputs * blocks_ + o % outputs / kDenseConvBlock;
      float* to = weights_.data() + block * taps_per_output_ * kDenseConvBlock +
                  o % outputs % kDenseConvBlock;
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        const int64_t position = lists.entries[e].position;
        const int64_t tap = position % inputs * area + position / inputs;
        to[tap * kDenseConvBlock] = lists.entries[e].value;
      }
    }
  }

  void run_blocks(const Call& call, int64_t n, int64_t first_row, int64_t rows, int64_t first_block,
                  int64_t last_block, uint8_t* scratch) const {
    const Planes& in = padded_.planes();
    const Planes& out = problem_.output;
    const Planes& res = problem_.residual;
    const Window& window = problem_.window;
    const float* image = padded_.image(call, n) - window.pad_top * in.row - window.pad_left;
    DenseConvF32Args args = {};
    args.row_step = window.stride_h * in.row;
    args.step = window.stride_w;
    args.taps = taps_.data();
    args.tap_count = taps_per_output_;
    args.rows = rows;
    args.width = out.width;
    args.row = out.row;
    args.run = run_;
    args.sums = reinterpret_cast<float*>(scratch);
    args.output_plane = out.plane;
    args.store.residual_plane = res.plane;
    args.store.activation = problem_.activation;
    args.store.mask = problem_.mask;
    args.store.pixels = rows * out.row;
    for (int64_t b = first_block; b < last_block; ++b) {
      const int64_t group = b / blocks_;
      const int64_t within = b % blocks_ * kDenseConvBlock;
      const int64_t o = group * problem_.outputs_per_group() + within;
      args.input =
          image + group * problem_.inputs_per_group() * in.plane + first_row * args.row_step;
      args.weights = weights_.data() + b * taps_per_output_ * kDenseConvBlock;
      args.outputs = std::min(kDenseConvBlock, problem_.outputs_per_group() - within);
      args.output = call.output + n * out.image + o * out.plane + first_row * out.row;
      args.bias = problem_.bias == nullptr ? nullptr : problem_.bias + o;
      args.residual = problem_.has_residual
                          ? call.residual + n * res.image + o * res.plane + first_row * res.row
                          : nullptr;
      function_(args);
    }
  }

  Problem problem_;  // its `weights` is gone by the first run
  PaddedInput padded_;
  int64_t taps_per_output_;
  int64_t blocks_;  // of one group
  Kernel<DenseConvF32> function_;
  int64_t run_ = 1;
  int64_t rows_ = 1, chunks_ = 1;  // rows of a task, tasks of an image's height
  int64_t parts_ = 1;              // tasks that share out the blocks
  std::vector<int32_t> taps_;
  std::vector<float> weights_;
};

// Narrow groups would fill a fraction of the lanes, and of the packed weights.
bool applies(const Problem& problem) {
  return problem.isa != Isa::reference &&
         (problem.groups == 1 || problem.outputs_per_group() >= 4) && pads_are_modest(problem);
}

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning& tuning) {
  return std::make_unique<Direct>(problem, tuning);
}

std::vector<Tuning> tunings(const Problem&) {
  return {{{"pixels", kPixels}}, {{"pixels", 112}}, {{"pixels", 448}}};
}

// Multiplications at 57 GMAC/s (Zen 4); 16 x 16 sums are turned around and stored in 60 ns, in 150
// where the output leaves the near caches.
double estimate(const Problem& problem) {
  const Planes& out = problem.output;
  const double lanes = static_cast<double>((problem.outputs_per_group() + 15) / 16 * 16) /
                       static_cast<double>(problem.outputs_per_group());
  const double slower = problem.isa >= Isa::x86_avx2 ? 1 : 6;
  const double stored = static_cast<double>(out.channels) * static_cast<double>(out.pixels());
  const double store = stored > 1e6 ? 1.5e-4 : 6e-5;
  return (problem.multiplications() * lanes / 57e6 + stored / 256 * store) * slower;
}

}  // namespace

Row row_of_direct() { return {"direct", applies, build, tunings, estimate}; }

}  // namespace niwaki::conv
