// Elements of any dtype moved between tensors of any rank: transpose, expand, slice, pad, gather.
#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/ops_tensor.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// A box of elements that both tensors see, each with strides of its own.
class StridedCopyStep : public Step {
 public:
  void run(Run& run) const override {
    const uint8_t* from = run.value(x) + from_start * static_cast<int64_t>(size);
    uint8_t* to = run.value(output);
    if (!fill.empty()) {
      for (int64_t i = 0; i < to_elements; ++i) std::memcpy(to + i * size, fill.data(), size);
    }
    to += to_start * static_cast<int64_t>(size);
    if (size == 4) {
      copy<uint32_t>(run, from, to);
    } else {
      copy<uint8_t>(run, from, to);
    }
  }
  Walk walk;  // x, output
  int x = 0, output = 0;
  size_t size = 4;                       // of one element
  int64_t from_start = 0, to_start = 0;  // elements
  int64_t to_elements = 0;
  std::vector<uint8_t> fill;  // one element; empty where the box covers the output

 private:
  template <class T>
  void copy(Run& run, const uint8_t* from, uint8_t* to) const {
    const T* source = reinterpret_cast<const T*>(from);
    T* target = reinterpret_cast<T*>(to);
    const int64_t length = walk.length(), from_step = walk.step(0), to_step = walk.step(1);
    parallel_rows(run, walk.rows(), length, [&](int64_t first, int64_t last) {
      walk.run(first, last, [&](const Walk::Offsets& at) {
        const T* row = source + at[0];
        T* out = target + at[1];
        if (from_step == 1 && to_step == 1) {
          std::memcpy(out, row, static_cast<size_t>(length) * sizeof(T));
          return;
        }
        for (int64_t i = 0; i < length; ++i) out[i * to_step] = row[i * from_step];
      });
    });
  }
};

std::unique_ptr<StridedCopyStep> start_copy(const LayerReader& reader) {
  auto step = std::make_unique<StridedCopyStep>();
  step->x = reader.input("x", kTensorDTypes);
  const DType dtype = reader.value(step->x).dtype;
  step->output = reader.output({dtype});
  step->size = dtype_bytes(dtype);
  name_step(*step, "strided copy");
  return step;
}

class GatherStep : public Step {
 public:
  void run(Run& run) const override {
    const uint8_t* from = run.value(x);
    uint8_t* to = run.value(output);
    parallel_rows(run, split.outer * count, static_cast<int64_t>(bytes),
                  [&](int64_t first, int64_t last) {
                    for (int64_t i = first; i < last; ++i) {
                      const int64_t row = i / count * split.length + indices[i % count];
                      std::memcpy(to + static_cast<size_t>(i) * bytes,
                                  from + static_cast<size_t>(row) * bytes, bytes);
                    }
                  });
  }
  Split split;  // of x
  const int32_t* indices = nullptr;
  int64_t count = 0;
  size_t bytes = 0;  // behind the axis
  int x = 0, output = 0;
};

}  // namespace

StepPtr build_transpose(const Program& program, const Layer& layer, int index,
                        const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = start_copy(reader);
  const Sizes sizes = reader.value(step->x).shape.sizes();
  const auto rank = static_cast<int64_t>(sizes.size());
  const auto perm = reader.integers("perm", sizes.size(), 0, rank - 1, 0);
  std::vector<bool> met(sizes.size(), false);
  const Sizes strides = strides_of(sizes);
  Sizes out, from;
  for (int64_t axis : perm) {
    const auto at = static_cast<size_t>(axis);
    reader.require(!met[at], "perm must hold each axis once", std::to_string(axis));
    met[at] = true;
    out.push_back(sizes[at]);
    from.push_back(strides[at]);
  }
  reader.require_shape(step->output, Shape::of(out));
  step->walk = Walk(out, {from, strides_of(out)});
  return step;
}

StepPtr build_expand(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = start_copy(reader);
  const Sizes sizes = reader.value(step->x).shape.sizes();
  const Sizes out = reader.value(step->output).shape.sizes();
  step->walk = Walk(out, {broadcast_strides(reader, "x", sizes, out), strides_of(out)});
  return step;
}

// steps may be negative: then starts lie behind ends, and an end of -1 is in front of index 0.
StepPtr build_strided_slice(const Program& program, const Layer& layer, int index,
                            const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = start_copy(reader);
  const Sizes sizes = reader.value(step->x).shape.sizes();
  const Sizes strides = strides_of(sizes);
  const size_t rank = sizes.size();
  const auto starts = reader.integers("starts", rank, 0, INT32_MAX, 0);
  const auto counts = reader.integers("counts", rank, 1, INT32_MAX, 1);
  const auto steps = reader.integers("steps", rank, -INT32_MAX, INT32_MAX, 1);
  Sizes from;
  for (size_t axis = 0; axis < rank; ++axis) {
    // Each number is below 2^31, so the products can't wrap.
    const int64_t last = starts[axis] + (counts[axis] - 1) * steps[axis];
    reader.require(starts[axis] < sizes[axis] && last >= 0 && last < sizes[axis],
                   "starts, counts and steps must stay inside the value",
                   concat(starts[axis], ", ", counts[axis], ", ", steps[axis]));
    step->from_start += starts[axis] * strides[axis];
    from.push_back(steps[axis] * strides[axis]);
  }
  reader.require_shape(step->output, Shape::of(counts));
  step->walk = Walk(counts, {from, strides_of(counts)});
  return step;
}

// Zero padding of f32 tensors of any rank; pads are heads, then tails.
StepPtr build_tensor_pad(const Program& program, const Layer& layer, int index,
                         const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = start_copy(reader);
  const Value& in = reader.value(step->x);
  reader.require(in.dtype == DType::kF32, "x must be f32", dtype_name(in.dtype));
  const Sizes sizes = in.shape.sizes();
  const auto pads = reader.integers("pads", 2 * sizes.size(), 0, INT32_MAX, 0);
  Sizes out = sizes;
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    out[axis] += pads[axis] + pads[sizes.size() + axis];
  }
  const Shape& shape = reader.value(step->output).shape;
  reader.require(out == shape.sizes(), "the output must be as large as x with its pads",
                 shape.text());
  const Sizes strides = strides_of(out);
  for (size_t axis = 0; axis < sizes.size(); ++axis) step->to_start += pads[axis] * strides[axis];
  const double number = reader.number("value");
  reader.require(number >= -3.4028235e38 && number <= 3.4028235e38, "value must fit float32",
                 std::to_string(number));
  const auto value = static_cast<float>(number);
  step->fill.resize(sizeof(value));
  std::memcpy(step->fill.data(), &value, sizeof(value));
  step->to_elements = count_of(out);
  step->walk = Walk(sizes, {strides_of(sizes), strides});
  return step;
}

StepPtr build_gather(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<GatherStep>();
  step->x = reader.input("x", kTensorDTypes);
  const Value& in = reader.value(step->x);
  step->output = reader.output({in.dtype});
  Sizes sizes = in.shape.sizes();
  const size_t axis = read_axis(reader, sizes);
  step->split = split_at(sizes, axis);
  const Tensor& indices = reader.tensor("indices", {DType::kS32}, {-1});
  step->indices = indices.as<int32_t>();
  step->count = indices.elements();
  for (int64_t i = 0; i < step->count; ++i) {
    reader.require(step->indices[i] >= 0 && step->indices[i] < step->split.length,
                   concat("indices must be in [0, ", step->split.length, ")"),
                   std::to_string(step->indices[i]));
  }
  sizes[axis] = step->count;
  reader.require_shape(step->output, Shape::of(sizes));
  step->bytes = static_cast<size_t>(step->split.inner) * dtype_bytes(in.dtype);
  name_step(*step, "gather");
  return step;
}

}  // namespace niwaki
