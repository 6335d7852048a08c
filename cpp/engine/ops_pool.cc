// Pools: windows over compact planes; the integer average is a sum and the requantisation.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/merge.h"
#include "engine/ops.h"
#include "engine/ops_planes.h"
#include "engine/text.h"
#include "pool/pool.h"
#include "pool_b1/pool_b1.h"

namespace niwaki {
namespace {

using namespace kernels;

// Channels of one task: some 64 KB of input, so that small maps aren't cut into crumbs.
int64_t channels_per_task(const Value& value) {
  const size_t plane = value.bytes() / static_cast<size_t>(value.shape.channels);
  return std::max<int64_t>(1, static_cast<int64_t>(65536 / std::max<size_t>(plane, 1)));
}

// One pool kernel over a value, cut by channels.
struct PoolPlan {
  const KernelEntry* kernel = nullptr;
  DType dtype = DType::kF32;  // of the input
  int x = -1;
  Shape in, out;
  Window window;
  bool count_include_pad = false;
  int64_t chunk = 1;

  int64_t tasks() const { return (in.channels + chunk - 1) / chunk; }
  int64_t count(int64_t task) const { return std::min(chunk, in.channels - task * chunk); }

  // `output` points at the task's first channel.
  template <class Op, class X, class Y>
  void call(const Run& run, int64_t task, Y* output) const {
    Kernel<Op>{kernel}({run.value<const X>(x) + task * chunk * in.pixels(), count(task), in.height,
                        in.width, window, out.height, out.width, count_include_pad, output});
  }
};

class MaxPoolStep : public Step {
 public:
  void run(Run& run) const override {
    run.parallel(plan.tasks(), [&](int64_t task, uint8_t*) {
      const int64_t at = task * plan.chunk * plan.out.pixels();
      if (plan.dtype == DType::kF32) {
        plan.call<MaxPoolF32, float>(run, task, run.value<float>(output) + at);
      } else if (plan.dtype == DType::kU8) {
        plan.call<MaxPoolU8, uint8_t>(run, task, run.value<uint8_t>(output) + at);
      } else {
        plan.call<MaxPoolS8, int8_t>(run, task, run.value<int8_t>(output) + at);
      }
    });
  }
  PoolPlan plan;
  int output = 0;
};

class BitPoolStep : public Step {
 public:
  void run(Run& run) const override {
    Kernel<PoolB1>{plan.kernel}({run.value<uint64_t>(plan.x), plan.in.height, plan.in.width,
                                 plan.in.words_per_pixel(), plan.window, plan.out.height,
                                 plan.out.width, falling.data(), run.value<uint64_t>(output)});
  }
  PoolPlan plan;
  std::vector<uint64_t> falling;
  int output = 0;
};

class AveragePoolStep : public Step {
 public:
  void run(Run& run) const override {
    run.parallel(plan.tasks(), [&](int64_t task, uint8_t*) {
      plan.call<AveragePoolF32, float>(
          run, task, run.value<float>(output) + task * plan.chunk * plan.out.pixels());
    });
  }
  PoolPlan plan;
  int output = 0;
};

class SumPoolStep : public Step {
 public:
  explicit SumPoolStep(Merge merge) : merge(std::move(merge)) {}

  void run(Run& run) const override {
    run.parallel(plan.tasks(), [&](int64_t task, uint8_t* scratch) {
      auto* sums = reinterpret_cast<int32_t*>(scratch);
      if (plan.dtype == DType::kU8) {
        plan.call<SumPoolU8, uint8_t>(run, task, sums);
      } else {
        plan.call<SumPoolS8, int8_t>(run, task, sums);
      }
      const void* data[] = {sums};
      merge.run(data, task * plan.chunk, plan.count(task), run.value(output));
    });
  }
  Merge merge;
  PoolPlan plan;
  int output = 0;
};

// One side of a pool's output, ONNX's rule: in ceil mode the last window may hang over the end, but
// must start inside the image or its first pad.
int64_t pooled(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride,
               bool ceil_mode) {
  const int64_t room = size + before + after - kernel;
  if (room < 0) return 0;
  int64_t count = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (count - 1) * stride >= size + before) --count;
  return count;
}

PoolPlan read_window(const LayerReader& reader, int x, int output) {
  PoolPlan plan;
  plan.x = x;
  plan.dtype = reader.value(x).dtype;
  plan.in = reader.value(x).shape;
  plan.out = reader.value(output).shape;
  plan.window = reader.window(INT32_MAX);
  plan.count_include_pad = reader.flag("count_include_pad");
  plan.chunk = channels_per_task(reader.value(x));
  const Window& window = plan.window;
  reader.require(window.dilation_h == 1 && window.dilation_w == 1, "dilations must be 1", "others");
  // Each window then touches the image.
  reader.require(window.pad_top < window.kernel_h && window.pad_bottom < window.kernel_h &&
                     window.pad_left < window.kernel_w && window.pad_right < window.kernel_w,
                 "pads must be smaller than the kernel", "larger ones");
  const bool ceil_mode = reader.flag("ceil_mode");
  const Shape wanted{plan.in.channels,
                     pooled(plan.in.height, window.pad_top, window.pad_bottom, window.kernel_h,
                            window.stride_h, ceil_mode),
                     pooled(plan.in.width, window.pad_left, window.pad_right, window.kernel_w,
                            window.stride_w, ceil_mode),
                     false};
  reader.require(!plan.in.flat, "x must have shape (C, H, W)", plan.in.text());
  reader.require_shape(output, wanted);
  return plan;
}

// The image is the window; the output is (C, 1, 1) or (C,).
PoolPlan global_window(const LayerReader& reader, int x, int output) {
  PoolPlan plan;
  plan.x = x;
  plan.dtype = reader.value(x).dtype;
  plan.in = reader.value(x).shape;
  plan.out = Shape{plan.in.channels, 1, 1, reader.value(output).shape.flat};
  plan.window.kernel_h = plan.in.height;
  plan.window.kernel_w = plan.in.width;
  plan.chunk = channels_per_task(reader.value(x));
  reader.require_shape(output, plan.out);
  return plan;
}

template <class StepType>
StepPtr finish(std::unique_ptr<StepType> step, const KernelChoice& choice) {
  step->kernel = step->plan.kernel->name;
  step->reason = choice.reason(step->plan.kernel);
  return step;
}

StepPtr finish_max(const LayerReader& reader, const KernelChoice& choice, PoolPlan plan) {
  const int output = reader.output({plan.dtype});
  if (is_planes_pool(reader.program(), reader.layer())) {
    return build_planes_pool(reader, choice, plan.window, false, false);
  }
  auto step = std::make_unique<MaxPoolStep>();
  step->output = output;
  plan.kernel = plan.dtype == DType::kF32  ? choice.choose<MaxPoolF32>().entry
                : plan.dtype == DType::kU8 ? choice.choose<MaxPoolU8>().entry
                                           : choice.choose<MaxPoolS8>().entry;
  step->plan = plan;
  return finish(std::move(step), choice);
}

// A rising test's maximum is an OR, a falling one's (sign -1) an AND; rising without signs.
StepPtr finish_bits(const LayerReader& reader, const KernelChoice& choice, const PoolPlan& plan) {
  auto step = std::make_unique<BitPoolStep>();
  step->output = reader.output({DType::kU1});
  step->plan = plan;
  step->plan.kernel = choice.choose<PoolB1>().entry;
  step->falling.assign(static_cast<size_t>(plan.in.words_per_pixel()), 0);
  if (reader.find_tensor("sign") != nullptr) {
    const auto* sign = reader.tensor("sign", {DType::kS8}, {plan.in.channels}).as<int8_t>();
    for (int64_t c = 0; c < plan.in.channels; ++c) {
      reader.require(std::abs(sign[c]) == 1, "sign must be -1 or +1", std::to_string(sign[c]));
      if (sign[c] < 0) step->falling[static_cast<size_t>(c / 64)] |= uint64_t{1} << (c % 64);
    }
  }
  return finish(std::move(step), choice);
}

StepPtr finish_average(const LayerReader& reader, const KernelChoice& choice, PoolPlan plan) {
  const int output = reader.output({DType::kF32});
  if (is_planes_pool(reader.program(), reader.layer())) {
    return build_planes_pool(reader, choice, plan.window, true, plan.count_include_pad);
  }
  auto step = std::make_unique<AveragePoolStep>();
  step->output = output;
  plan.kernel = choice.choose<AveragePoolF32>().entry;
  step->plan = plan;
  return finish(std::move(step), choice);
}

}  // namespace

StepPtr build_max_pool(const Program& program, const Layer& layer, int index,
                       const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32, DType::kU8, DType::kS8, DType::kU1});
  if (reader.value(x).dtype == DType::kU1) {
    return finish_bits(reader, choice, read_window(reader, x, layer.output));
  }
  return finish_max(reader, choice, read_window(reader, x, layer.output));
}

StepPtr build_average_pool(const Program& program, const Layer& layer, int index,
                           const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32});
  return finish_average(reader, choice, read_window(reader, x, layer.output));
}

StepPtr build_global_max_pool(const Program& program, const Layer& layer, int index,
                              const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32});
  return finish_max(reader, choice, global_window(reader, x, layer.output));
}

StepPtr build_global_average_pool(const Program& program, const Layer& layer, int index,
                                  const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32});
  return finish_average(reader, choice, global_window(reader, x, layer.output));
}

StepPtr build_sum_pool(const Program& program, const Layer& layer, int index,
                       const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<SumPoolStep>(Merge(reader, choice));
  step->output = reader.output({DType::kU8, DType::kS8});
  const int x = reader.input("x", {DType::kU8, DType::kS8});
  const Shape& out = reader.value(step->output).shape;
  const Shape& in = reader.value(x).shape;
  // A whole-image window may store (C,) at once.
  step->plan =
      out.flat ? global_window(reader, x, step->output) : read_window(reader, x, step->output);
  step->plan.kernel = step->plan.dtype == DType::kU8 ? choice.choose<SumPoolU8>().entry
                                                     : choice.choose<SumPoolS8>().entry;
  if (out.flat) {
    const Window window = reader.window(0);
    reader.require(window.kernel_h == in.height && window.kernel_w == in.width,
                   "the kernel must be the whole image where the output is (C,)", in.text());
  }
  const Window& window = step->plan.window;
  const int64_t pixels = std::min(window.kernel_h, in.height) * std::min(window.kernel_w, in.width);
  reader.require(pixels < (int64_t{1} << 23), "a window's sum must fit 32 bits",
                 concat(pixels, " pixels"));
  step->merge.add_term(TermType::s32, out.pixels(), out.width, "multiplier",
                       static_cast<double>(pixels) * 255);
  step->merge.finish();
  step->thread_bytes = static_cast<size_t>(step->plan.chunk * out.pixels()) * sizeof(int32_t);
  return finish(std::move(step), choice);
}

}  // namespace niwaki
