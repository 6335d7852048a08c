// Transposed convolution: every input pixel adds a window of weights to the output.
//
//   y[o, iy * s - p + i * d, ix * s - p + j * d] += x[c, iy, ix] * w[c, o, i, j],  y starts at bias
#include <algorithm>
#include <memory>

#include "engine/ops_tensor.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// Input positions whose window meets the output, [first, last), for one tap.
struct Range {
  int64_t first = 0, last = 0;
};

// 0 <= i * stride + offset < size for i in [0, count).
Range meeting(int64_t count, int64_t stride, int64_t offset, int64_t size) {
  const int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t room = size - offset;
  const int64_t last = room <= 0 ? 0 : std::min(count, (room + stride - 1) / stride);
  return {first, std::max(first, last)};
}

class ConvTransposeStep : public Step {
 public:
  void run(Run& run) const override {
    const float* from = run.value<const float>(x);
    float* to = run.value<float>(output);
    run.parallel(out.channels, [&](int64_t channel, uint8_t*) {
      run_channel(from, channel, to + channel * out.pixels());
    });
  }
  kernels::Window window;
  Shape in, out;
  int64_t groups = 1;
  const float* weight = nullptr;  // (C, O / groups, kh, kw)
  const float* bias = nullptr;
  int x = 0, output = 0;

 private:
  void run_channel(const float* from, int64_t channel, float* plane) const {
    const int64_t per_group = out.channels / groups, inputs = in.channels / groups;
    const int64_t group = channel / per_group, within = channel % per_group;
    std::fill_n(plane, out.pixels(), bias == nullptr ? 0.0F : bias[channel]);
    for (int64_t c = group * inputs; c < (group + 1) * inputs; ++c) {
      const float* image = from + c * in.pixels();
      const float* taps = weight + (c * per_group + within) * window.kernel_h * window.kernel_w;
      for (int64_t i = 0; i < window.kernel_h; ++i) {
        for (int64_t j = 0; j < window.kernel_w; ++j) {
          const float factor = taps[i * window.kernel_w + j];
          if (factor != 0) add_tap(image, factor, i, j, plane);
        }
      }
    }
  }

  void add_tap(const float* image, float factor, int64_t i, int64_t j, float* plane) const {
    const int64_t top = i * window.dilation_h - window.pad_top;
    const int64_t left = j * window.dilation_w - window.pad_left;
    const Range rows = meeting(in.height, window.stride_h, top, out.height);
    const Range columns = meeting(in.width, window.stride_w, left, out.width);
    for (int64_t y = rows.first; y < rows.last; ++y) {
      const float* from = image + y * in.width;
      float* to = plane + (y * window.stride_h + top) * out.width + left;
      for (int64_t at = columns.first; at < columns.last; ++at) {
        to[at * window.stride_w] += factor * from[at];
      }
    }
  }
};

// The output's size may exceed the least one by output_padding, which is below stride or dilation.
void require_size(const LayerReader& reader, int64_t in, int64_t out, int64_t kernel,
                  int64_t stride, int64_t dilation, int64_t pads) {
  const int64_t least = (in - 1) * stride - pads + dilation * (kernel - 1) + 1;
  reader.require(out >= least && out - least < std::max(stride, dilation),
                 concat("the output must have ", least, " pixels a side, or output_padding more"),
                 std::to_string(out));
}

}  // namespace

StepPtr build_conv_transpose(const Program& program, const Layer& layer, int index,
                             const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<ConvTransposeStep>();
  step->x = reader.input("x", {DType::kF32});
  step->output = reader.output({DType::kF32});
  step->in = reader.value(step->x).shape;
  step->out = reader.value(step->output).shape;
  reader.require(!step->in.general && !step->in.flat, "x must be (C, H, W)", step->in.text());
  reader.require(!step->out.general && !step->out.flat, "the output must be (C, H, W)",
                 step->out.text());
  step->groups = reader.integer("groups", 1, step->in.channels, 1);
  reader.require(step->in.channels % step->groups == 0 && step->out.channels % step->groups == 0,
                 "groups must divide the channels", std::to_string(step->groups));
  step->window = reader.window(INT32_MAX);
  const kernels::Window& w = step->window;
  require_size(reader, step->in.height, step->out.height, w.kernel_h, w.stride_h, w.dilation_h,
               w.pad_top + w.pad_bottom);
  require_size(reader, step->in.width, step->out.width, w.kernel_w, w.stride_w, w.dilation_w,
               w.pad_left + w.pad_right);
  step->weight =
      reader
          .tensor("weight", {DType::kF32},
                  {step->in.channels, step->out.channels / step->groups, w.kernel_h, w.kernel_w})
          .as<float>();
  if (reader.find_tensor("bias") != nullptr) {
    step->bias = reader.tensor("bias", {DType::kF32}, {step->out.channels}).as<float>();
  }
  step->macs = step->in.elements() * (step->out.channels / step->groups) * w.kernel_h * w.kernel_w;
  name_step(*step, "conv_transpose");
  return step;
}

}  // namespace niwaki
