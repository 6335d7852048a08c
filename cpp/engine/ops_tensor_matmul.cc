// Products of matrices, of two values or a value and a constant, and sums of taps along an axis.
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/ops_tensor.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// y[m, n] = sum_k a[m, k] * b[k, n], for each matrix of the axes in front.
class MatmulStep : public Step {
 public:
  void run(Run& run) const override {
    const float* first = a.data(run);
    const float* second = b.data(run);
    float* to = run.value<float>(output);
    // A task is a row of one matrix.
    run.parallel(batches() * rows, [&](int64_t task, uint8_t*) {
      const int64_t batch = task / rows, row = task % rows;
      walk.run(batch / walk.length(), batch / walk.length() + 1, [&](const Walk::Offsets& at) {
        const int64_t column = batch % walk.length();
        const float* left = first + at[0] + column * walk.step(0) + row * depth;
        const float* right = second + at[1] + column * walk.step(1);
        float* sums = to + task * columns;
        std::fill_n(sums, columns, 0.0F);
        for (int64_t k = 0; k < depth; ++k) {
          const float factor = left[k];
          const float* line = right + k * columns;
          for (int64_t n = 0; n < columns; ++n) sums[n] += factor * line[n];
        }
      });
    });
  }
  int64_t batches() const { return walk.rows() * walk.length(); }

  Operand a, b;
  Walk walk;  // a and b over the axes in front
  int64_t rows = 0, depth = 0, columns = 0;
  int output = 0;
};

// y[o] = sum_t weight[o, t] * x[index[o, t]] along one axis: resizing is one of these per axis.
class TapsStep : public Step {
 public:
  void run(Run& run) const override {
    const float* from = run.value<const float>(x);
    float* to = run.value<float>(output);
    const int64_t inner = split.inner;
    parallel_rows(run, split.outer * count, inner * taps, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const float* plane = from + i / count * split.length * inner;
        const int32_t* at = index + i % count * taps;
        const float* factor = weight + i % count * taps;
        float* sums = to + i * inner;
        std::fill_n(sums, inner, 0.0F);
        for (int64_t t = 0; t < taps; ++t) {
          // A tap of weight 0 may stand for a pixel outside: infinity there must not reach the sum.
          if (factor[t] == 0) continue;
          const float* line = plane + at[t] * inner;
          for (int64_t n = 0; n < inner; ++n) sums[n] += factor[t] * line[n];
        }
      }
    });
  }
  Split split;  // of x
  const int32_t* index = nullptr;
  const float* weight = nullptr;
  int64_t count = 0, taps = 0;
  int x = 0, output = 0;
};

}  // namespace

StepPtr build_matmul(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<MatmulStep>();
  step->a = read_operand(reader, "a");
  step->b = read_operand(reader, "b");
  step->output = reader.output({DType::kF32});
  const Sizes out = reader.value(step->output).shape.sizes();
  const Sizes &a = step->a.sizes, &b = step->b.sizes;
  const bool fits = a.size() >= 2 && b.size() >= 2 && out.size() >= 2 &&
                    a.back() == b[b.size() - 2] && out.back() == b.back() &&
                    out[out.size() - 2] == a[a.size() - 2];
  reader.require(
      fits, "a (..., M, K), b (..., K, N) and the output (..., M, N) must fit",
      concat(Shape::of(a).text(), ", ", Shape::of(b).text(), " and ", Shape::of(out).text()));
  step->rows = a[a.size() - 2];
  step->depth = a.back();
  step->columns = b.back();
  // Matrices are the elements of the axes in front.
  auto front = [](const Sizes& sizes) { return Sizes(sizes.begin(), sizes.end() - 2); };
  const Sizes batch = front(out);
  Sizes a_strides = broadcast_strides(reader, "a", front(a), batch);
  Sizes b_strides = broadcast_strides(reader, "b", front(b), batch);
  for (int64_t& stride : a_strides) stride *= step->rows * step->depth;
  for (int64_t& stride : b_strides) stride *= step->depth * step->columns;
  step->walk = Walk(batch, {a_strides, b_strides});
  step->macs = step->batches() * step->rows * step->depth * step->columns;
  name_step(*step, "matmul");
  return step;
}

StepPtr build_taps(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<TapsStep>();
  step->x = reader.input("x", {DType::kF32});
  step->output = reader.output({DType::kF32});
  Sizes sizes = reader.value(step->x).shape.sizes();
  const size_t axis = read_axis(reader, sizes);
  step->split = split_at(sizes, axis);
  const Tensor& taps = reader.tensor("index", {DType::kS32}, {-1, -1});
  step->count = taps.shape[0];
  step->taps = taps.shape[1];
  step->index = taps.as<int32_t>();
  step->weight = reader.tensor("weight", {DType::kF32}, {step->count, step->taps}).as<float>();
  for (int64_t i = 0; i < taps.elements(); ++i) {
    reader.require(step->index[i] >= 0 && step->index[i] < step->split.length,
                   concat("index must be in [0, ", step->split.length, ")"),
                   std::to_string(step->index[i]));
  }
  sizes[axis] = step->count;
  reader.require_shape(step->output, Shape::of(sizes));
  step->macs = step->split.outer * step->split.inner * taps.elements();
  name_step(*step, "taps");
  return step;
}

}  // namespace niwaki
