#include "engine/ops_pixels.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "epilogue/epilogue.h"
#include "pixels_f32/pixels_f32.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr int64_t kElementsPerTask = 1 << 15;

// Rows of the output are shared out.
class PixelsAverageStep : public Step {
 public:
  void run(Run& run) const override {
    const int64_t row = std::max<int64_t>(1, out.width * out.channels);
    const int64_t chunk = std::max<int64_t>(1, kElementsPerTask / row);
    run.parallel((out.height + chunk - 1) / chunk, [&](int64_t task, uint8_t*) {
      const int64_t first = task * chunk;
      // The same windows, seen from the first row on.
      Window shifted = window;
      shifted.pad_top -= first * window.stride_h;
      Kernel<AveragePixelsF32>{entry}({run.value<float>(x), in.channels, in.height, in.width,
                                       shifted, std::min(chunk, out.height - first), out.width,
                                       count_include_pad, run.value<float>(output) + first * row});
    });
  }
  const KernelEntry* entry = nullptr;
  int x = 0, output = 0;
  Shape in, out;
  Window window;
  bool count_include_pad = false;
};

class PixelsMapStep : public Step {
 public:
  void run(Run& run) const override {
    run.parallel((elements + kElementsPerTask - 1) / kElementsPerTask, [&](int64_t task, uint8_t*) {
      const int64_t at = task * kElementsPerTask;
      EpilogueF32Args args{};
      args.channels = 1;
      args.height = 1;
      args.width = std::min(kElementsPerTask, elements - at);
      for (int id : inputs) {
        args.terms[args.count++] = {run.value<float>(id) + at, TermType::f32, 0, args.width,
                                    nullptr};
      }
      args.activation = activation;
      args.output = run.value<float>(output) + at;
      Kernel<EpilogueF32>{entry}(args);
    });
  }
  const KernelEntry* entry = nullptr;
  std::vector<int> inputs;
  int output = 0;
  int64_t elements = 0;
  Activation activation;
};

}  // namespace

StepPtr build_pixels_average(const LayerReader& reader, const KernelChoice& choice,
                             const Window& window, bool count_include_pad) {
  auto step = std::make_unique<PixelsAverageStep>();
  step->x = reader.layer().input("x");
  step->output = reader.layer().output;
  step->in = reader.value(step->x).shape;
  step->out = reader.value(step->output).shape;
  step->window = window;
  step->count_include_pad = count_include_pad;
  step->entry = choice.choose<AveragePixelsF32>().entry;
  step->kernel = step->entry->name;
  step->reason = choice.reason(step->entry);
  return step;
}

StepPtr build_pixels_map(const LayerReader& reader, const KernelChoice& choice) {
  auto step = std::make_unique<PixelsMapStep>();
  step->inputs = reader.layer().inputs;
  step->output = reader.layer().output;
  for (int id : step->inputs) reader.require_shape(step->output, reader.value(id).shape);
  step->elements = reader.value(step->output).shape.elements();
  step->activation = reader.activation();
  step->entry = choice.choose<EpilogueF32>().entry;
  step->kernel = step->entry->name;
  step->reason = choice.reason(step->entry);
  return step;
}

}  // namespace niwaki
