// Elementwise layers, most of them the epilogue on compact planes; the two ends of an integer
// network.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <memory>

#include "engine/merge.h"
#include "engine/ops.h"
#include "engine/ops_planes.h"
#include "engine/text.h"
#include "pool/pool.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr int64_t kElementsPerTask = 1 << 15;

// add, requantize, affine and float activations: values meet in the epilogue.
class MergeStep : public Step {
 public:
  explicit MergeStep(Merge merge) : merge(std::move(merge)) {}

  void run(Run& run) const override {
    run.parallel((channels + chunk - 1) / chunk, [&](int64_t task, uint8_t*) {
      const int64_t first = task * chunk;
      const void* data[kMaxTerms];
      for (size_t j = 0; j < inputs.size(); ++j) {
        data[j] = run.value(inputs[j]) + first * strides[j];
      }
      merge.run(data, first, std::min(chunk, channels - first), run.value(output));
    });
  }

  Merge merge;
  std::vector<int> inputs;
  std::vector<size_t> strides;  // bytes of one channel
  int output = 0;
  int64_t channels = 0, chunk = 1;
};

std::unique_ptr<MergeStep> start_merge(const LayerReader& reader, const KernelChoice& choice,
                                       int output) {
  auto step = std::make_unique<MergeStep>(Merge(reader, choice));
  const Shape& shape = reader.value(output).shape;
  step->output = output;
  step->channels = shape.channels;
  step->chunk = std::max<int64_t>(1, kElementsPerTask / shape.pixels());
  step->kernel = step->merge.kernel()->name;
  step->reason = choice.reason(step->merge.kernel());
  return step;
}

void add_input(const LayerReader& reader, MergeStep& step, int id, const char* multiplier) {
  const Value& value = reader.value(id);
  step.merge.add_value(id, multiplier);
  step.inputs.push_back(id);
  step.strides.push_back(static_cast<size_t>(value.shape.pixels()) * dtype_bytes(value.dtype));
}

// Integer relu: max(x, 0).
class IntegerReluStep : public Step {
 public:
  void run(Run& run) const override {
    if (is_signed) {
      const int8_t* from = run.value<int8_t>(x);
      int8_t* to = run.value<int8_t>(output);
      for (int64_t i = 0; i < elements; ++i) to[i] = std::max<int8_t>(from[i], 0);
    } else {
      std::copy_n(run.value(x), elements, run.value(output));
    }
  }
  int x = 0, output = 0;
  int64_t elements = 0;
  bool is_signed = false;
};

// quantize_input and dequantize: one kernel over all elements.
class ConvertStep : public Step {
 public:
  void run(Run& run) const override {
    run.parallel((elements + kElementsPerTask - 1) / kElementsPerTask, [&](int64_t task, uint8_t*) {
      const int64_t at = task * kElementsPerTask;
      const int64_t count = std::min(kElementsPerTask, elements - at);
      switch (from) {
        case DType::kF32:
          return Kernel<QuantizeS8>{entry}(
              {run.value<float>(x) + at, count, scale, run.value<int8_t>(output) + at});
        case DType::kU8:
          return Kernel<DequantizeU8>{entry}(
              {run.value<uint8_t>(x) + at, count, scale, run.value<float>(output) + at});
        case DType::kS8:
          return Kernel<DequantizeS8>{entry}(
              {run.value<int8_t>(x) + at, count, scale, run.value<float>(output) + at});
        default:
          return Kernel<DequantizeS32>{entry}(
              {run.value<int32_t>(x) + at, count, scale, run.value<float>(output) + at});
      }
    });
  }
  const KernelEntry* entry = nullptr;
  DType from = DType::kF32;
  int x = 0, output = 0;
  int64_t elements = 0;
  float scale = 1;
};

float read_scale(const LayerReader& reader, const char* key) {
  const double scale = reader.number(key);
  reader.require(scale >= FLT_TRUE_MIN && scale <= FLT_MAX,
                 concat(key, " must be a positive float32 number"), std::to_string(scale));
  return static_cast<float>(scale);
}

StepPtr build_convert(const LayerReader& reader, const KernelChoice& choice, int x, int output,
                      const KernelEntry* entry, const char* key) {
  auto step = std::make_unique<ConvertStep>();
  reader.require_shape(output, reader.value(x).shape);
  step->entry = entry;
  step->from = reader.value(x).dtype;
  step->x = x;
  step->output = output;
  step->elements = reader.value(x).shape.elements();
  step->scale = read_scale(reader, key);
  step->kernel = entry->name;
  step->reason = choice.reason(entry);
  return step;
}

}  // namespace

StepPtr build_add(const Program& program, const Layer& layer, int index,
                  const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int output = reader.output({DType::kF32, DType::kU8, DType::kS8});
  reader.require_roles({"a", "b"});
  if (is_planes_map(program, layer)) return build_planes_map(reader, choice);
  auto step = start_merge(reader, choice, output);
  const auto dtypes = {DType::kF32, DType::kU8, DType::kS8, DType::kS32};
  const bool is_float = reader.value(output).dtype == DType::kF32;
  add_input(reader, *step, reader.input("a", dtypes), is_float ? "" : "a_multiplier");
  add_input(reader, *step, reader.input("b", dtypes), is_float ? "" : "b_multiplier");
  step->merge.finish();
  return step;
}

StepPtr build_requantize(const Program& program, const Layer& layer, int index,
                         const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  auto step = start_merge(reader, choice, reader.output({DType::kU8, DType::kS8}));
  add_input(reader, *step, reader.input("x", {DType::kS32, DType::kU8, DType::kS8}), "multiplier");
  step->merge.finish();
  return step;
}

StepPtr build_affine(const Program& program, const Layer& layer, int index,
                     const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  reader.require_roles({"x"});
  if (is_planes_map(program, layer)) return build_planes_map(reader, choice);
  auto step = start_merge(reader, choice, reader.output({DType::kF32}));
  const Shape& shape = reader.value(layer.output).shape;
  reader.tensor("scale", {DType::kF32}, {shape.channels});
  reader.tensor("bias", {DType::kF32}, {shape.channels});
  add_input(reader, *step, reader.input("x", {DType::kF32}), "scale");
  step->merge.finish();
  return step;
}

StepPtr build_activation(const Program& program, const Layer& layer, int index,
                         const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32, DType::kU8, DType::kS8});
  const Value& value = reader.value(x);
  reader.require_shape(reader.output({value.dtype}), value.shape);
  reader.require_roles({"x"});
  if (is_planes_map(program, layer)) return build_planes_map(reader, choice);
  if (value.dtype == DType::kF32) {
    auto step = start_merge(reader, choice, layer.output);
    add_input(reader, *step, x, "");
    step->merge.finish();
    return step;
  }
  reader.require(reader.activation().kind == ActivationKind::relu,
                 "the activation of integers must be relu", "another");
  auto step = std::make_unique<IntegerReluStep>();
  step->x = x;
  step->output = layer.output;
  step->elements = value.shape.elements();
  step->is_signed = value.dtype == DType::kS8;
  step->kernel = "relu";
  step->reason = "the only one";
  return step;
}

StepPtr build_quantize_input(const Program& program, const Layer& layer, int index,
                             const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32});
  return build_convert(reader, choice, x, reader.output({DType::kS8}),
                       choice.choose<QuantizeS8>().entry, "inverse_scale");
}

StepPtr build_dequantize(const Program& program, const Layer& layer, int index,
                         const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kS32, DType::kU8, DType::kS8});
  const DType dtype = reader.value(x).dtype;
  const KernelEntry* entry = dtype == DType::kS32  ? choice.choose<DequantizeS32>().entry
                             : dtype == DType::kU8 ? choice.choose<DequantizeU8>().entry
                                                   : choice.choose<DequantizeS8>().entry;
  return build_convert(reader, choice, x, reader.output({DType::kF32}), entry, "scale");
}

}  // namespace niwaki
