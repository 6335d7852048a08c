// ONNX's QuantizeLinear and DequantizeLinear on float tensors that hold the integers.
//
//   quantize:    q = clip(round_half_even(x / scale) + zero, lo, hi)
//   dequantize:  y = (q - zero) * scale
//   both:        the two, one after the other, as quantisers write them around a layer
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/ops_tensor.h"

namespace niwaki {
namespace {

// One number for all, or one per index of the axis.
class QuantizeStep : public Step {
 public:
  void run(Run& run) const override {
    const float* from = run.value<const float>(x);
    float* to = run.value<float>(output);
    const int64_t inner = split.inner;
    parallel_rows(run, split.outer * split.length, inner, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t at = i % split.length;
        run_row(from + i * inner, to + i * inner, inner, scale[at], zero[at]);
      }
    });
  }
  bool rounds = true, scales = true;
  Split split;
  const float *scale = nullptr, *zero = nullptr;
  float lo = 0, hi = 255;
  int x = 0, output = 0;

 private:
  void run_row(const float* from, float* to, int64_t count, float step, float centre) const {
    if (!rounds) {
      for (int64_t i = 0; i < count; ++i) to[i] = (from[i] - centre) * step;
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      const float q = std::nearbyint(from[i] / step) + centre;
      to[i] = std::min(std::max(q, lo), hi);
    }
    if (!scales) return;
    for (int64_t i = 0; i < count; ++i) to[i] = (to[i] - centre) * step;
  }
};

}  // namespace

StepPtr build_quantize_linear(const Program& program, const Layer& layer, int index,
                              const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<QuantizeStep>();
  const std::string kind = reader.word("kind", {"quantize", "dequantize", "both"});
  step->rounds = kind != "dequantize";
  step->scales = kind != "quantize";
  step->x = reader.input("x", {DType::kF32});
  step->output = reader.output({DType::kF32});
  const Shape& shape = reader.value(step->x).shape;
  reader.require_shape(step->output, shape);
  const Tensor& scale = reader.tensor("scale", {DType::kF32}, {-1});
  if (scale.elements() == 1) {
    step->split = {1, 1, shape.elements()};
  } else {
    step->split = split_at(shape.sizes(), read_axis(reader, shape.sizes()));
  }
  step->scale = reader.tensor("scale", {DType::kF32}, {step->split.length}).as<float>();
  step->zero = reader.tensor("zero", {DType::kF32}, {step->split.length}).as<float>();
  step->lo = static_cast<float>(reader.integer("lo", -32768, 65535, 0));
  step->hi = static_cast<float>(reader.integer("hi", -32768, 65535, 255));
  name_step(*step, kind == "both" ? "quantize and dequantize" : kind);
  return step;
}

}  // namespace niwaki
