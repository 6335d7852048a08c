// "reference": the formula as plain loops, for any problem. What the others are tested against, and
// what runs where isa = reference is asked for.
#include "engine/conv/conv.h"
#include "epilogue/activations.h"

namespace niwaki::conv {
namespace {

class Reference final : public Algorithm {
 public:
  explicit Reference(const Problem& problem)
      : problem_(problem), starts_(problem.weights->starts), entries_(problem.weights->entries) {
    kernel = "conv_reference";
    packed_bytes = entries_.size() * sizeof(Entry) + starts_.size() * sizeof(starts_[0]);
  }

  int64_t tasks(int, int64_t images) const override { return images * problem_.output.channels; }

  void run(const Call& call, int, int64_t task, uint8_t*) const override {
    const int64_t channel = task % problem_.output.channels;
    run_channel(call, task / problem_.output.channels, channel, 0, problem_.output.height);
  }

  bool bands() const override { return true; }

  void run_rows(const Call& call, int64_t first, int64_t last, uint8_t*) const override {
    for (int64_t o = 0; o < problem_.output.channels; ++o) run_channel(call, 0, o, first, last);
  }

 private:
  void run_channel(const Call& call, int64_t n, int64_t o, int64_t first, int64_t last) const {
    const kernels::Planes& out = problem_.output;
    const kernels::Planes& res = problem_.residual;
    for (int64_t y = first; y < last; ++y) {
      float* to = call.output + n * out.image + o * out.plane + y * out.row;
      const float* residual = problem_.has_residual
                                  ? call.residual + n * res.image + o * res.plane + y * res.row
                                  : nullptr;
      for (int64_t x = 0; x < out.width; ++x) {
        float value[1] = {sum(call.input + n * problem_.input.image, o, y, x)};
        if (problem_.bias != nullptr) value[0] += problem_.bias[o];
        if (residual != nullptr) value[0] += residual[x];
        kernels::activate<1>(value, problem_.activation);
        to[x] = value[0];
      }
      for (int64_t x = out.width; x < out.row; ++x) to[x] = 0;
    }
  }

  float sum(const float* image, int64_t o, int64_t y, int64_t x) const {
    const kernels::Planes& in = problem_.input;
    const kernels::Window& window = problem_.window;
    const int64_t inputs = problem_.inputs_per_group();
    const int64_t first_input = o / problem_.outputs_per_group() * inputs;
    float total = 0;
    for (int32_t e = starts_[o]; e < starts_[o + 1]; ++e) {
      const int64_t tap = entries_[e].position / inputs;
      const int64_t channel = first_input + entries_[e].position % inputs;
      const int64_t row =
          y * window.stride_h + tap / window.kernel_w * window.dilation_h - window.pad_top;
      const int64_t column =
          x * window.stride_w + tap % window.kernel_w * window.dilation_w - window.pad_left;
      if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
      total += entries_[e].value * image[channel * in.plane + row * in.row + column];
    }
    return total;
  }

  Problem problem_;  // its `weights` is gone by the first run
  std::vector<int32_t> starts_;
  std::vector<Entry> entries_;
};

bool applies(const Problem&) { return true; }

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning&) {
  return std::make_unique<Reference>(problem);
}

// Last of all, except where the reference is asked for.
double estimate(const Problem& problem) {
  if (problem.isa == kernels::Isa::reference) return 0;
  return 1e3 + problem.multiplications() * problem.density * 2e-6;
}

}  // namespace

Row row_of_reference() { return {"reference", applies, build, no_tunings, estimate}; }

}  // namespace niwaki::conv
