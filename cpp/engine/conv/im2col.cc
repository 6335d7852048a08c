// "im2col": panels of pixels lowered into a matrix, times the weights (kernels/im2col_f32). The
// baseline of the activation-sparse algorithms; "direct" does without the lowering.
#include <algorithm>

#include "engine/conv/conv.h"
#include "engine/conv/pads.h"
#include "im2col_f32/im2col_f32.h"

namespace niwaki::conv {
namespace {

using namespace kernels;

class Im2col final : public Algorithm {
 public:
  explicit Im2col(const Problem& problem)
      : problem_(problem),
        padded_(problem),
        // Without shared rows a residual is on another flat axis: panels end with their row, then.
        by_rows_(problem.has_residual && problem.residual.row != problem.output.row),
        lines_(by_rows_ ? problem.output.height : 1),
        line_pixels_(by_rows_ ? problem.output.row : problem.output.pixels()),
        panels_((line_pixels_ + kPanelPixels - 1) / kPanelPixels),
        lower_(select_kernel<Im2colF32>(problem.isa)),
        multiply_(select_kernel<GemmF32>(problem.isa)) {
    find_taps();
    pack_weights();
    shared_bytes = padded_.bytes();
    thread_bytes = taps_.size() * kPanelPixels * sizeof(float);
    packed_bytes = weights_.size() * sizeof(float);
    kernel = std::string(lower_.entry->name) + " + " + std::string(multiply_.entry->name);
    problem_.weights = nullptr;
  }

  int stages() const override { return padded_.in_place() ? 1 : 2; }

  int64_t tasks(int stage, int64_t images) const override {
    return stage + 1 < stages() ? images : images * problem_.groups * lines_ * panels_;
  }

  void run(const Call& call, int stage, int64_t task, uint8_t* scratch) const override {
    if (stage + 1 < stages()) {
      padded_.fill(call, task);
      return;
    }
    const int64_t panel = task % panels_;
    const int64_t line = task / panels_ % lines_;
    const int64_t group = task / panels_ / lines_ % problem_.groups;
    run_panel(call, task / panels_ / lines_ / problem_.groups, group, line, panel,
              reinterpret_cast<float*>(scratch));
  }

 private:
  // Channel by channel.
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

  int64_t group_weights() const {
    const int64_t blocks = (problem_.outputs_per_group() + kGemmOutputs - 1) / kGemmOutputs;
    return blocks * kGemmOutputs * problem_.row_size();
  }

  void pack_weights() {
    const int64_t outputs = problem_.outputs_per_group();
    const int64_t inputs = problem_.inputs_per_group();
    const int64_t area = problem_.window.kernel_h * problem_.window.kernel_w;
    weights_.assign(static_cast<size_t>(problem_.groups * group_weights()), 0);
    const EntryLists& lists = *problem_.weights;
    for (int64_t o = 0; o < problem_.output.channels; ++o) {
      const int64_t within = o % outputs;
      float* to = weights_.data() + o / outputs * group_weights() +
                  within / kGemmOutputs * kGemmOutputs * problem_.row_size() +
                  within % kGemmOutputs;
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        const int64_t position = lists.entries[e].position;
        const int64_t tap = position % inputs * area + position / inputs;
        to[tap * kGemmOutputs] = lists.entries[e].value;
      }
    }
  }

  void run_panel(const Call& call, int64_t n, int64_t group, int64_t line, int64_t panel,
                 float* scratch) const {
    const Planes& in = padded_.planes();
    const Planes& out = problem_.output;
    const Planes& res = problem_.residual;
    const Window& window = problem_.window;
    PixelRun runs[kPanelPixels];
    int64_t count = 0;
    const int64_t begin = panel * kPanelPixels;
    const int64_t end = std::min(begin + kPanelPixels, line_pixels_);
    for (int64_t p = begin; p < end;) {
      const int64_t y = line + p / out.row;  // line > 0 only where p < row
      const int64_t x = p % out.row;
      const int64_t next = std::min(end, p - x + out.row);
      const int64_t pixels = std::min(next, p - x + out.width) - p;
      if (pixels > 0) {
        runs[count++] = {y * window.stride_h * in.row + x * window.stride_w, p - begin, pixels};
      }
      p = next;
    }
    lower_({padded_.image(call, n) - window.pad_top * in.row - window.pad_left +
                group * problem_.inputs_per_group() * in.plane,
            taps_.data(), problem_.row_size(), runs, count, window.stride_w, scratch});
    const int64_t o = group * problem_.outputs_per_group();
    GemmF32Args args = {};
    args.panel = scratch;
    args.tap_count = problem_.row_size();
    args.weights = weights_.data() + group * group_weights();
    args.outputs = problem_.outputs_per_group();
    args.first_pixel = begin;
    args.output = call.output + n * out.image + o * out.plane + line * out.row;
    args.output_plane = out.plane;
    args.bias = problem_.bias == nullptr ? nullptr : problem_.bias + o;
    args.residual = problem_.has_residual
                        ? call.residual + n * res.image + o * res.plane + line * res.row
                        : nullptr;
    args.store.residual_plane = res.plane;
    args.store.activation = problem_.activation;
    args.store.mask = problem_.mask;
    args.store.pixels = line_pixels_;
    multiply_(args);
  }

  Problem problem_;  // its `weights` is gone by the first run
  PaddedInput padded_;
  bool by_rows_;
  int64_t lines_, line_pixels_;  // flat axes that are cut into panels
  int64_t panels_;               // of a line
  Kernel<Im2colF32> lower_;
  Kernel<GemmF32> multiply_;
  std::vector<int32_t> taps_;
  std::vector<float> weights_;
};

bool applies(const Problem& problem) {
  return problem.isa != Isa::reference &&
         (problem.groups == 1 || problem.outputs_per_group() >= 4) && pads_are_modest(problem);
}

std::unique_ptr<Algorithm> build(const Problem& problem, const Tuning&) {
  return std::make_unique<Im2col>(problem);
}

// Zen 4: multiplications at 38 GMAC/s (1x1 layers of ResNet-50, measured within the network), 0.1
// ns for each lowered element.
double estimate(const Problem& problem) {
  const double outputs = static_cast<double>(problem.outputs_per_group());
  const double lanes = static_cast<double>((problem.outputs_per_group() + 7) / 8 * 8) / outputs;
  const double slower = problem.isa >= Isa::x86_avx2 ? 1 : 6;
  const double lowered = problem.multiplications() / outputs;
  return (problem.multiplications() * lanes / 38e6 + lowered * 1e-7) * slower;
}

}  // namespace

Row row_of_im2col() { return {"im2col", applies, build, no_tunings, estimate}; }

}  // namespace niwaki::conv
