// "depthwise": every output channel reads one input channel (kernels/depthwise_f32). Reads the
// input where it lies, at stride 2 as well, as long as its pads are there; else it is copied once.
#include <algorithm>

#include "depthwise_f32/depthwise_f32.h"
#include "engine/conv/conv.h"
#include "engine/conv/pads.h"

namespace niwaki::conv {
namespace {

using namespace kernels;

constexpr int64_t kTaskMultiplications = 400'000;  // some 20 us
constexpr int64_t kMostReach = kTailElements - kDepthwiseReach;

class Depthwise final : public Algorithm {
 public:
  explicit Depthwise(const Problem& problem)
      : problem_(problem),
        padded_(problem),
        per_input_(problem.outputs_per_group()),
        taps_(problem.row_size()),
        function_(select_kernel<DepthwiseF32>(problem.isa)) {
    const int64_t per_channel = problem_.output.height * problem_.output.width * taps_ * per_input_;
    channels_ = std::clamp<int64_t>(kTaskMultiplications / per_channel, 1, problem_.input.channels);
    weights_.assign(static_cast<size_t>(problem_.output.channels * taps_), 0);
    const EntryLists& lists = *problem_.weights;
    for (int64_t o = 0; o < problem_.output.channels; ++o) {
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        weights_[o * taps_ + lists.entries[e].position] = lists.entries[e].value;
      }
    }
    shared_bytes = padded_.bytes();
    packed_bytes = weights_.size() * sizeof(float);
    kernel = function_.entry->name;
    problem_.weights = nullptr;
  }

  int stages() const override { return padded_.in_place() ? 1 : 2; }

  int64_t tasks(int stage, int64_t images) const override {
    return is_copy(stage) ? images : images * chunks();
  }

  void run(const Call& call, int stage, int64_t task, uint8_t*) const override {
    if (is_copy(stage)) {
      padded_.fill(call, task);
      return;
    }
    const int64_t first = task % chunks() * channels_;
    run_channels(call, task / chunks(), first, std::min(channels_, problem_.input.channels - first),
                 0, problem_.output.height);
  }

  bool bands() const override { return padded_.in_place(); }

  void run_rows(const Call& call, int64_t first_row, int64_t last_row, uint8_t*) const override {
    run_channels(call, 0, 0, problem_.input.channels, first_row, last_row);
  }

 private:
  bool is_copy(int stage) const { return !padded_.in_place() && stage == 0; }
  int64_t chunks() const { return (problem_.input.channels + channels_ - 1) / channels_; }

  void run_channels(const Call& call, int64_t n, int64_t first, int64_t count, int64_t first_row,
                    int64_t last_row) const {
    const Planes& in = padded_.planes();
    const Planes& out = problem_.output;
    const Planes& res = problem_.residual;
    const Window& window = problem_.window;
    const int64_t o = first * per_input_;
    DepthwiseF32Args args = {};
    args.input = padded_.image(call, n) + first * in.plane +
                 (first_row * window.stride_h - window.pad_top) * in.row - window.pad_left;
    args.input_plane = in.plane;
    args.input_row = in.row;
    args.window = window;
    args.weights = weights_.data() + o * taps_;
    args.outputs = count * per_input_;
    args.per_input = per_input_;
    args.rows = last_row - first_row;
    args.width = out.width;
    args.row = out.row;
    args.output = call.output + n * out.image + o * out.plane + first_row * out.row;
    args.output_plane = out.plane;
    args.bias = problem_.bias == nullptr ? nullptr : problem_.bias + o;
    args.residual = problem_.has_residual
                        ? call.residual + n * res.image + o * res.plane + first_row * res.row
                        : nullptr;
    args.residual_row = res.row;
    args.residual_plane = res.plane;
    args.activation = problem_.activation;
    function_(args);
  }

  Problem problem_;  // its `weights` is gone by the first run
  PaddedInput padded_;
  int64_t per_input_;  // output channels of an input channel
  int64_t taps_;
  Kernel<DepthwiseF32> function_;
  int64_t channels_;  // input channels of a task
  std::vector<float> weights_;
};

// Vectors reach behind the last pixel's last tap: no further than planes may be read.
bool applies(const Problem& problem) {
  const Window& window = problem.window;
  return problem.isa != Isa::reference && problem.inputs_per_group() == 1 && window.stride_w <= 2 &&
         (window.kernel_w - 1) * window.dilation_w <= kMostReach && pads_are_modest(problem);
}

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning&) {
  return std::make_unique<Depthwise>(problem);
}

// Bound by unaligned loads: 30 GMAC/s at a stride of 1, 16 at 2 (Zen 4).
double estimate(const Problem& problem) {
  const double slower = problem.isa >= Isa::x86_avx2 ? 1 : 4;
  const double rate = problem.window.stride_w == 1 ? 30e6 : 16e6;
  return problem.multiplications() / rate * slower;
}

}  // namespace

Row row_of_depthwise() { return {"depthwise", applies, build, no_tunings, estimate}; }

}  // namespace niwaki::conv
