// Reductions over any axes, and softmax along one.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "engine/ops_tensor.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// Sums run in double: the order of the elements then hardly shows.
struct Reducer {
  std::string_view name;
  double start;
  double (*add)(double sum, double x);
  double (*finish)(double sum, double count);
};

double keep(double sum, double) { return sum; }
double plus(double sum, double x) { return sum + x; }
constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr Reducer kReducers[] = {
    {"sum", 0, plus, keep},
    {"mean", 0, plus, [](double sum, double count) { return sum / count; }},
    {"max", -kInfinity, [](double sum, double x) { return x != x || x > sum ? x : sum; }, keep},
    {"min", kInfinity, [](double sum, double x) { return x != x || x < sum ? x : sum; }, keep},
    {"prod", 1, [](double sum, double x) { return sum * x; }, keep},
    {"l1", 0, [](double sum, double x) { return sum + std::fabs(x); }, keep},
    {"l2", 0, [](double sum, double x) { return sum + x * x; },
     [](double sum, double) { return std::sqrt(sum); }},
    {"sum_square", 0, [](double sum, double x) { return sum + x * x; }, keep},
    {"log_sum", 0, plus, [](double sum, double) { return std::log(sum); }},
    // float32 logits stay below exp's overflow in double up to 709.
    {"log_sum_exp", 0, [](double sum, double x) { return sum + std::exp(x); },
     [](double sum, double) { return std::log(sum); }},
};

class ReduceStep : public Step {
 public:
  void run(Run& run) const override {
    const float* from = run.value<const float>(x);
    float* to = run.value<float>(output);
    const auto count = static_cast<double>(inner.rows() * inner.length());
    const int64_t work = inner.rows() * inner.length() * outer.length();
    parallel_rows(run, outer.rows(), work, [&](int64_t first, int64_t last) {
      outer.run(first, last, [&](const Walk::Offsets& at) {
        for (int64_t i = 0; i < outer.length(); ++i) {
          const float* start = from + at[0] + i * outer.step(0);
          double sum = reducer->start;
          inner.run(0, inner.rows(), [&](const Walk::Offsets& row) {
            const float* data = start + row[0];
            for (int64_t k = 0; k < inner.length(); ++k) {
              sum = reducer->add(sum, static_cast<double>(data[k * inner.step(0)]));
            }
          });
          to[at[1] + i * outer.step(1)] = static_cast<float>(reducer->finish(sum, count));
        }
      });
    });
  }
  const Reducer* reducer = nullptr;
  Walk outer;  // x and output over the axes that stay
  Walk inner;  // x over the axes that go
  int x = 0, output = 0;
};

class SoftmaxStep : public Step {
 public:
  void run(Run& run) const override {
    const float* from = run.value<const float>(x);
    float* to = run.value<float>(output);
    parallel_rows(run, split.outer * split.inner, split.length, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t at = i / split.inner * split.length * split.inner + i % split.inner;
        run_line(from + at, to + at);
      }
    });
  }
  Split split;
  bool log = false;
  int x = 0, output = 0;

 private:
  void run_line(const float* from, float* to) const {
    const int64_t step = split.inner;
    // The largest logit is subtracted: exp can't overflow.
    float largest = from[0];
    for (int64_t i = 1; i < split.length; ++i) largest = std::max(largest, from[i * step]);
    float sum = 0;
    for (int64_t i = 0; i < split.length; ++i) {
      const float shifted = from[i * step] - largest;
      const float power = std::exp(shifted);
      sum += power;
      to[i * step] = log ? shifted : power;
    }
    if (log) {
      const float shift = std::log(sum);
      for (int64_t i = 0; i < split.length; ++i) to[i * step] -= shift;
    } else {
      for (int64_t i = 0; i < split.length; ++i) to[i * step] /= sum;
    }
  }
};

}  // namespace

StepPtr build_reduce(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<ReduceStep>();
  const std::string kind = reader.word("kind", {"sum", "mean", "max", "min", "prod", "l1", "l2",
                                                "sum_square", "log_sum", "log_sum_exp"});
  step->reducer = std::find_if(std::begin(kReducers), std::end(kReducers),
                               [&kind](const Reducer& each) { return each.name == kind; });
  step->x = reader.input("x", {DType::kF32});
  step->output = reader.output({DType::kF32});
  const Sizes sizes = reader.value(step->x).shape.sizes();
  const auto rank = static_cast<int64_t>(sizes.size());
  std::vector<bool> goes(sizes.size(), false);
  for (int64_t axis : reader.integers("axes", 0, 0, rank - 1, 0)) {
    goes[static_cast<size_t>(axis)] = true;
  }
  const Sizes strides = strides_of(sizes);
  Sizes kept, kept_strides, gone, gone_strides;
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    (goes[axis] ? gone : kept).push_back(sizes[axis]);
    (goes[axis] ? gone_strides : kept_strides).push_back(strides[axis]);
  }
  // Axes of size 1 may stay in the output: the elements are the same.
  const Shape& out = reader.value(step->output).shape;
  reader.require(out.elements() == count_of(kept), "the output must hold the axes that stay",
                 out.text());
  step->outer = Walk(kept, {kept_strides, strides_of(kept)});
  step->inner = Walk(gone, {gone_strides});
  name_step(*step, concat("reduce ", kind));
  return step;
}

// Without an axis, it runs along the only one of (C,) or (C, 1, 1).
StepPtr build_softmax(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<SoftmaxStep>();
  step->x = reader.input("x", {DType::kF32});
  step->output = reader.output({DType::kF32});
  const Shape& shape = reader.value(step->x).shape;
  reader.require_shape(step->output, shape);
  const bool has_axis = layer.attrs.find("axis") != nullptr;
  reader.require(has_axis || shape.pixels() == 1, "x must have shape (C,), or an axis be given",
                 shape.text());
  step->split = split_at(shape.sizes(), read_axis(reader, shape.sizes()));
  step->log = reader.flag("log");
  name_step(*step, step->log ? "log_softmax" : "softmax");
  return step;
}

}  // namespace niwaki
