#include "engine/ops_tensor.h"

#include <algorithm>

#include "engine/text.h"

namespace niwaki {
namespace {

constexpr int64_t kElementsPerTask = 1 << 15;

std::string sizes_text(const Sizes& sizes) { return Shape::of(sizes).text(); }

}  // namespace

int64_t count_of(const Sizes& sizes) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  return count;
}

Sizes strides_of(const Sizes& sizes) {
  Sizes strides(sizes.size(), 1);
  for (size_t axis = sizes.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * sizes[axis];
  return strides;
}

Sizes broadcast_strides(const LayerReader& reader, std::string_view role, const Sizes& sizes,
                        const Sizes& wanted) {
  bool fits = sizes.size() <= wanted.size();
  Sizes strides(wanted.size(), 0);
  if (fits) {
    const Sizes own = strides_of(sizes);
    const size_t missing = wanted.size() - sizes.size();
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      fits = fits && (sizes[axis] == 1 || sizes[axis] == wanted[missing + axis]);
      if (sizes[axis] != 1) strides[missing + axis] = own[axis];
    }
  }
  reader.require(fits, concat(role, " must fill ", sizes_text(wanted), " when repeated"),
                 sizes_text(sizes));
  return strides;
}

Split split_at(const Sizes& sizes, size_t axis) {
  Split split;
  for (size_t i = 0; i < axis; ++i) split.outer *= sizes[i];
  split.length = sizes[axis];
  for (size_t i = axis + 1; i < sizes.size(); ++i) split.inner *= sizes[i];
  return split;
}

size_t read_axis(const LayerReader& reader, const Sizes& sizes) {
  reader.require(!sizes.empty(), "x must have an axis", "()");
  return static_cast<size_t>(reader.integer("axis", 0, static_cast<int64_t>(sizes.size()) - 1, 0));
}

Operand read_operand(const LayerReader& reader, std::string_view role) {
  Operand operand;
  operand.value = reader.optional_input(role, {DType::kF32});
  if (operand.value >= 0) {
    operand.sizes = reader.value(operand.value).shape.sizes();
    return operand;
  }
  const Tensor* tensor = reader.find_tensor(role);
  reader.require(tensor != nullptr && tensor->dtype == DType::kF32,
                 concat(role, " must be an input, or an f32 tensor"), "neither");
  operand.constant = tensor->as<float>();
  operand.sizes = tensor->shape;
  return operand;
}

Walk::Walk(const Sizes& sizes, const std::vector<Sizes>& strides) {
  // Axis by axis, the last first: it joins the one behind it where all operands step through both
  // as through one.
  Sizes merged;
  std::vector<Sizes> steps(strides.size());
  for (size_t axis = sizes.size(); axis-- > 0;) {
    if (sizes[axis] == 1) continue;
    bool joins = !merged.empty();
    for (size_t j = 0; j < strides.size(); ++j) {
      joins = joins && strides[j][axis] == steps[j].back() * merged.back();
    }
    if (joins) {
      merged.back() *= sizes[axis];
      continue;
    }
    merged.push_back(sizes[axis]);
    for (size_t j = 0; j < strides.size(); ++j) steps[j].push_back(strides[j][axis]);
  }
  if (merged.empty()) return;
  length_ = merged.front();
  for (size_t j = 0; j < strides.size(); ++j) steps_[j] = steps[j].front();
  axes_ = merged.size() - 1;
  for (size_t i = 0; i < axes_; ++i) {
    const size_t from = axes_ - i;  // `merged` holds the last axis first
    sizes_[i] = merged[from];
    rows_ *= merged[from];
    for (size_t j = 0; j < strides.size(); ++j) strides_[j][i] = steps[j][from];
  }
}

int64_t rows_per_task(int64_t length) {
  return std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(length, 1));
}

void name_step(Step& step, std::string_view kernel) {
  step.kernel = kernel;
  step.reason = "the only one";
}

}  // namespace niwaki
