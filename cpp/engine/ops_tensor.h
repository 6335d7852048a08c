// What the ops on tensors of any rank share: sizes, operands that are a value or a constant, and
// walks over boxes of elements.
//
// Tensors are compact and row-major; the batch is no axis of theirs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/layer_reader.h"
#include "engine/ops.h"

namespace niwaki {

using Sizes = std::vector<int64_t>;

inline constexpr auto kTensorDTypes = {DType::kF32, DType::kU8, DType::kS8, DType::kS32};

int64_t count_of(const Sizes& sizes);

// Elements from one index to the next, per axis.
Sizes strides_of(const Sizes& sizes);

// The same, where `sizes` is repeated to fill `wanted`: 0 along repeated axes; leading axes may be
// missing. Fails where it doesn't fit.
Sizes broadcast_strides(const LayerReader& reader, std::string_view role, const Sizes& sizes,
                        const Sizes& wanted);

// Sizes seen as three axes around one of them.
struct Split {
  int64_t outer = 1, length = 1, inner = 1;
};
Split split_at(const Sizes& sizes, size_t axis);

// The attribute `axis`, which must be one of `sizes`.
size_t read_axis(const LayerReader& reader, const Sizes& sizes);

// An f32 operand of a layer: an input value, or a constant tensor of that role.
struct Operand {
  int value = -1;
  const float* constant = nullptr;
  Sizes sizes;

  const float* data(const Run& run) const {
    return constant != nullptr ? constant : run.value<const float>(value);
  }
};
Operand read_operand(const LayerReader& reader, std::string_view role);

// A box walked row by row by several operands at once, each with its own strides. Axes that are one
// in every operand are merged; the last axis that remains is the row.
class Walk {
 public:
  static constexpr size_t kOperands = 3;
  using Offsets = std::array<int64_t, kOperands>;

  Walk() = default;
  // `strides` holds up to kOperands lists, each as long as `sizes`.
  Walk(const Sizes& sizes, const std::vector<Sizes>& strides);

  int64_t rows() const { return rows_; }
  int64_t length() const { return length_; }
  int64_t step(size_t operand) const { return steps_[operand]; }  // along a row

  // Calls body(offsets) at the beginning of each row in [first, last).
  template <class Body>
  void run(int64_t first, int64_t last, const Body& body) const {
    std::array<int64_t, kMaxAxes> index{};
    Offsets offsets{};
    int64_t rest = first;
    for (size_t axis = axes_; axis-- > 0;) {
      index[axis] = rest % sizes_[axis];
      rest /= sizes_[axis];
      for (size_t j = 0; j < kOperands; ++j) offsets[j] += index[axis] * strides_[j][axis];
    }
    for (int64_t row = first; row < last; ++row) {
      body(offsets);
      for (size_t axis = axes_; axis-- > 0;) {
        for (size_t j = 0; j < kOperands; ++j) offsets[j] += strides_[j][axis];
        if (++index[axis] < sizes_[axis]) break;
        for (size_t j = 0; j < kOperands; ++j) offsets[j] -= sizes_[axis] * strides_[j][axis];
        index[axis] = 0;
      }
    }
  }

 private:
  static constexpr size_t kMaxAxes = kMaxRank;

  size_t axes_ = 0;  // without the row's
  std::array<int64_t, kMaxAxes> sizes_{};
  std::array<std::array<int64_t, kMaxAxes>, kOperands> strides_{};
  int64_t rows_ = 1, length_ = 1;
  Offsets steps_{};
};

// Rows of one task: some 2^15 elements.
int64_t rows_per_task(int64_t length);

// Cuts `rows` into tasks and calls body(first, last).
template <class Body>
void parallel_rows(Run& run, int64_t rows, int64_t length, const Body& body) {
  const int64_t chunk = rows_per_task(length);
  run.parallel((rows + chunk - 1) / chunk, [&](int64_t task, uint8_t*) {
    body(task * chunk, std::min(rows, (task + 1) * chunk));
  });
}

// Names a step that has one implementation.
void name_step(Step& step, std::string_view kernel);

}  // namespace niwaki
