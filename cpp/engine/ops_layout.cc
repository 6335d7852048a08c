// Layers that move values: between layouts (threshold, unpack_bits) and inside one (concat,
// reshape, slice, pad).
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <memory>

#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "engine/ops_planes.h"
#include "engine/ops_tensor.h"
#include "engine/text.h"
#include "pixels_f32/pixels_f32.h"
#include "threshold/threshold.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr auto kPlaneDTypes = {DType::kF32, DType::kU8, DType::kS8, DType::kS32};
constexpr const char* kOnlyOne = "the only one";

class ThresholdStep : public Step {
 public:
  void run(Run& run) const override {
    auto* words = run.value<uint64_t>(output);
    if (planes != nullptr) {
      return Kernel<ThresholdPlanesF32>{entry}(
          {run.planes(x), *planes, sign, level->as<float>(), words});
    }
    if (pixels) {
      return Kernel<ThresholdPixelsF32>{entry}(
          {run.value<float>(x), shape.channels, shape.pixels(), sign, level->as<float>(), words});
    }
    switch (dtype) {
      case DType::kF32:
        return Kernel<ThresholdF32>{entry}(
            {run.value<float>(x), shape.channels, shape.pixels(), sign, level->as<float>(), words});
      case DType::kU8:
        return Kernel<ThresholdU8>{entry}({run.value<uint8_t>(x), shape.channels, shape.pixels(),
                                           sign, level->as<int32_t>(), words});
      default:
        return Kernel<ThresholdS8>{entry}({run.value<int8_t>(x), shape.channels, shape.pixels(),
                                           sign, level->as<int32_t>(), words});
    }
  }
  const KernelEntry* entry = nullptr;
  DType dtype = DType::kF32;
  bool pixels = false;             // x lies channels last
  const Planes* planes = nullptr;  // x is read as planes
  Shape shape;
  const int8_t* sign = nullptr;
  const Tensor* level = nullptr;
  int x = 0, output = 0;
};

class UnpackBitsStep : public Step {
 public:
  void run(Run& run) const override {
    const auto* words = run.value<uint64_t>(x);
    if (to_float) {
      Kernel<UnpackBitsF32>{entry}(
          {words, shape.channels, shape.pixels(), run.value<float>(output)});
    } else {
      Kernel<UnpackBitsU8>{entry}(
          {words, shape.channels, shape.pixels(), run.value<uint8_t>(output)});
    }
  }
  const KernelEntry* entry = nullptr;
  bool to_float = true;
  Shape shape;
  int x = 0, output = 0;
};

// One block copied to every row of the output: what concat and pad are made of.
struct BlockCopy {
  int input = 0;
  int64_t rows = 1;
  size_t bytes = 0;        // of one block
  size_t from_stride = 0;  // bytes from one block to the next
  size_t to_stride = 0;
  size_t to_offset = 0;
};

// reshape is one block, concat one per input.
class CopyStep : public Step {
 public:
  void run(Run& run) const override {
    for (const BlockCopy& copy : copies) {
      const uint8_t* from = run.value(copy.input);
      uint8_t* to = run.value(output) + copy.to_offset;
      for (int64_t row = 0; row < copy.rows; ++row) {
        std::memcpy(to + row * copy.to_stride, from + row * copy.from_stride, copy.bytes);
      }
    }
  }
  std::vector<BlockCopy> copies;
  int output = 0;
};

// slice and pad: element (c, y, x) of a box in one value goes to (c, y, x) of a box in the other.
class BoxStep : public Step {
 public:
  void run(Run& run) const override {
    uint8_t* to = run.value(output);
    if (!fill.empty()) {
      for (int64_t i = 0; i < to_elements; ++i) std::memcpy(to + i * size, fill.data(), size);
    }
    const uint8_t* from = run.value(x) + from_start * size;
    to += to_start * size;
    for (int64_t c = 0; c < box.channels; ++c) {
      for (int64_t y = 0; y < box.height; ++y) {
        const uint8_t* from_row = from + (c * from_step[0] + y * from_step[1]) * size;
        uint8_t* to_row = to + (c * to_step[0] + y * to_step[1]) * size;
        if (from_step[2] == 1) {
          std::memcpy(to_row, from_row, static_cast<size_t>(box.width) * size);
          continue;
        }
        for (int64_t x_at = 0; x_at < box.width; ++x_at) {
          std::memcpy(to_row + x_at * size, from_row + x_at * from_step[2] * size, size);
        }
      }
    }
  }
  int x = 0, output = 0;
  size_t size = 0;  // of one element
  Shape box;
  int64_t from_start = 0, to_start = 0;  // elements
  int64_t from_step[3] = {}, to_step[2] = {};
  int64_t to_elements = 0;
  std::vector<uint8_t> fill;  // one element; empty where the box covers the output
};

// Fills a list over (C, H, W) that a (C,) value gave as (C,).
std::vector<int64_t> three(const LayerReader& reader, const char* key, int64_t low,
                           int64_t fallback) {
  auto numbers = reader.integers(key, 0, low, INT32_MAX, fallback);
  reader.require(numbers.size() == 1 || numbers.size() == 3,
                 concat(key, " must be over (C, H, W) or (C,)"),
                 concat(numbers.size(), " numbers"));
  numbers.resize(3, fallback);
  return numbers;
}

std::vector<uint8_t> element_bytes(const LayerReader& reader, DType dtype, double value) {
  std::vector<uint8_t> bytes(dtype_bytes(dtype));
  auto store = [&](auto number) {
    reader.require(static_cast<double>(number) == value || dtype == DType::kF32,
                   concat("value must fit ", dtype_name(dtype)), std::to_string(value));
    std::memcpy(bytes.data(), &number, sizeof(number));
  };
  reader.require(std::abs(value) <= FLT_MAX, "value must fit float32", std::to_string(value));
  const double clipped = std::clamp(value, -2147483648.0, 2147483647.0);
  switch (dtype) {
    case DType::kF32:
      store(static_cast<float>(value));
      break;
    case DType::kU8:
      store(static_cast<uint8_t>(std::clamp(clipped, 0.0, 255.0)));
      break;
    case DType::kS8:
      store(static_cast<int8_t>(std::clamp(clipped, -128.0, 127.0)));
      break;
    default:
      store(static_cast<int32_t>(clipped));
  }
  return bytes;
}

}  // namespace

void wish_threshold(const LayerReader& reader, LayoutWish& wish) {
  const int x = reader.layer().input("x");
  if (x >= 0 && is_float_map(reader.program(), x)) wish.any_form = {x};
}

StepPtr build_threshold(const Program& program, const Layer& layer, int index,
                        const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<ThresholdStep>();
  step->x = reader.input("x", {DType::kF32, DType::kU8, DType::kS8});
  step->output = reader.output({DType::kU1});
  step->shape = reader.value(step->x).shape;
  step->dtype = reader.value(step->x).dtype;
  reader.require_shape(step->output, step->shape);
  const int64_t channels = step->shape.channels;
  step->sign = reader.tensor("sign", {DType::kS8}, {channels}).as<int8_t>();
  for (int64_t c = 0; c < channels; ++c) {
    reader.require(std::abs(step->sign[c]) == 1, "sign must be -1 or +1",
                   std::to_string(step->sign[c]));
  }
  const bool is_float = step->dtype == DType::kF32;
  step->level = &reader.tensor("level", {is_float ? DType::kF32 : DType::kS32}, {channels});
  const ValueLayout& layout = program.layouts[step->x];
  step->pixels = is_float && layout.pixels;
  // Alone it asks for no copy: it reads planes where only they are there.
  if (is_float && !layout.has_compact) step->planes = &layout.planes;
  step->entry = step->planes != nullptr     ? choice.choose<ThresholdPlanesF32>().entry
                : step->pixels              ? choice.choose<ThresholdPixelsF32>().entry
                : is_float                  ? choice.choose<ThresholdF32>().entry
                : step->dtype == DType::kU8 ? choice.choose<ThresholdU8>().entry
                                            : choice.choose<ThresholdS8>().entry;
  step->kernel = step->entry->name;
  step->reason = choice.reason(step->entry);
  const int writer = program.written_by[static_cast<size_t>(index)];
  if (writer >= 0) {
    step->kernel = "none";
    step->reason = concat("written by ", program.layers[writer].name);
  }
  return step;
}

StepPtr build_unpack_bits(const Program& program, const Layer& layer, int index,
                          const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<UnpackBitsStep>();
  step->x = reader.input("x", {DType::kU1});
  step->output = reader.output({DType::kF32, DType::kU8});
  step->shape = reader.value(step->x).shape;
  reader.require_shape(step->output, step->shape);
  step->to_float = reader.value(step->output).dtype == DType::kF32;
  step->entry =
      step->to_float ? choice.choose<UnpackBitsF32>().entry : choice.choose<UnpackBitsU8>().entry;
  step->kernel = step->entry->name;
  step->reason = choice.reason(step->entry);
  return step;
}

StepPtr build_concat(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  reader.require_roles({"inputs"});
  reader.output(kPlaneDTypes);
  if (is_planes_concat(program, layer)) return build_planes_concat(reader);
  auto step = std::make_unique<CopyStep>();
  step->output = layer.output;
  const Value& out = reader.value(step->output);
  const size_t element = dtype_bytes(out.dtype);
  const Sizes wanted = out.shape.sizes();
  const size_t axis = read_axis(reader, wanted);
  const auto [rows, width, inner] = split_at(wanted, axis);
  int64_t total = 0;
  for (int id : layer.inputs) {
    const Value& in = reader.value(id);
    Sizes sizes = in.shape.sizes();
    const int64_t length = sizes.size() == wanted.size() ? sizes[axis] : 0;
    if (length > 0) sizes[axis] = width;
    reader.require(in.dtype == out.dtype && sizes == wanted,
                   "inputs must have the output's dtype and, the axis aside, its shape",
                   in.shape.text());
    step->copies.push_back({id, rows, static_cast<size_t>(length * inner) * element,
                            static_cast<size_t>(length * inner) * element,
                            static_cast<size_t>(width * inner) * element,
                            static_cast<size_t>(total * inner) * element});
    total += length;
    reader.require(total <= width, "inputs must fill the output", out.shape.text());
  }
  reader.require(total == width, "inputs must fill the output", out.shape.text());
  step->kernel = "copy";
  step->reason = kOnlyOne;
  return step;
}

StepPtr build_reshape(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  const int x = reader.input("x", {DType::kF32, DType::kU8, DType::kS8, DType::kS32, DType::kU1});
  const Value& in = reader.value(x);
  const Value& out = reader.value(reader.output({in.dtype}));
  // Words hold whole pixels: only (C, 1, 1) and (C,) are the same bytes.
  const bool same = in.layout == Layout::kWords
                        ? in.shape.channels == out.shape.channels && in.shape.pixels() == 1 &&
                              out.shape.pixels() == 1
                        : in.shape.elements() == out.shape.elements();
  reader.require(same, concat("the output must hold the elements of ", in.shape.text()),
                 out.shape.text());
  auto step = std::make_unique<CopyStep>();
  step->output = layer.output;
  step->copies.push_back({x, 1, in.bytes(), 0, 0, 0});
  step->kernel = "copy";
  step->reason = kOnlyOne;
  return step;
}

StepPtr build_slice(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<BoxStep>();
  step->x = reader.input("x", kPlaneDTypes);
  const Value& in = reader.value(step->x);
  step->output = reader.output({in.dtype});
  const auto starts = three(reader, "starts", 0, 0);
  auto ends = three(reader, "ends", 0, 1);
  const auto steps = reader.layer().attrs.find("steps") ? three(reader, "steps", 1, 1)
                                                        : std::vector<int64_t>{1, 1, 1};
  const int64_t sizes[] = {in.shape.channels, in.shape.height, in.shape.width};
  int64_t counts[3];
  for (int i = 0; i < 3; ++i) {
    ends[i] = std::min(ends[i], sizes[i]);
    reader.require(starts[i] < ends[i], "starts must lie before ends, inside the value",
                   concat(starts[i], " to ", ends[i]));
    counts[i] = (ends[i] - starts[i] + steps[i] - 1) / steps[i];
  }
  step->box = Shape{counts[0], counts[1], counts[2], in.shape.flat};
  reader.require_shape(step->output, step->box);
  step->size = dtype_bytes(in.dtype);
  step->from_start = (starts[0] * sizes[1] + starts[1]) * sizes[2] + starts[2];
  step->from_step[0] = steps[0] * sizes[1] * sizes[2];
  step->from_step[1] = steps[1] * sizes[2];
  step->from_step[2] = steps[2];
  step->to_step[0] = counts[1] * counts[2];
  step->to_step[1] = counts[2];
  step->kernel = "copy";
  step->reason = kOnlyOne;
  return step;
}

StepPtr build_pad(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<BoxStep>();
  step->x = reader.input("x", kPlaneDTypes);
  const Value& in = reader.value(step->x);
  step->output = reader.output({in.dtype});
  const auto pads = reader.integers("pads", 6, 0, INT32_MAX, 0);
  reader.require(!in.shape.flat || pads[1] + pads[2] + pads[4] + pads[5] == 0,
                 "pads of (C,) must be zero along H and W", "others");
  const Shape out{in.shape.channels + pads[0] + pads[3], in.shape.height + pads[1] + pads[4],
                  in.shape.width + pads[2] + pads[5], in.shape.flat};
  reader.require_shape(step->output, out);
  const Json* value = layer.attrs.find("value");
  step->fill = element_bytes(reader, in.dtype, value == nullptr ? 0 : reader.number("value"));
  step->box = in.shape;
  step->size = dtype_bytes(in.dtype);
  step->to_start = (pads[0] * out.height + pads[1]) * out.width + pads[2];
  step->from_step[0] = in.shape.pixels();
  step->from_step[1] = in.shape.width;
  step->from_step[2] = 1;
  step->to_step[0] = out.pixels();
  step->to_step[1] = out.width;
  step->to_elements = out.elements();
  step->kernel = "copy";
  step->reason = kOnlyOne;
  return step;
}

}  // namespace niwaki
