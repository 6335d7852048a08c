// Arithmetic of two operands of any shapes, one repeated along the other: y = a op b.
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/ops_planes.h"
#include "engine/ops_tensor.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// One row: each operand is a vector (step 1), one number (step 0), or strided.
template <class Function>
void run_row(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y,
             int64_t length, const Function& function) {
  if (a_step == 1 && b_step == 1) {
    for (int64_t i = 0; i < length; ++i) y[i] = function(a[i], b[i]);
  } else if (a_step == 1 && b_step == 0) {
    const float second = *b;
    for (int64_t i = 0; i < length; ++i) y[i] = function(a[i], second);
  } else if (a_step == 0 && b_step == 1) {
    const float first = *a;
    for (int64_t i = 0; i < length; ++i) y[i] = function(first, b[i]);
  } else {
    for (int64_t i = 0; i < length; ++i) y[i] = function(a[i * a_step], b[i * b_step]);
  }
}

using Row = void (*)(const float*, int64_t, const float*, int64_t, float*, int64_t);

template <class Function>
constexpr Row row_of(Function) {
  return [](const float* a, int64_t a_step, const float* b, int64_t b_step, float* y,
            int64_t length) { run_row(a, a_step, b, b_step, y, length, Function{}); };
}

struct Kind {
  std::string_view name;
  Row row;
};

// A NaN in either operand of min and max must come out: `<` is false beside a NaN.
constexpr Kind kKinds[] = {
    {"add", row_of([](float a, float b) { return a + b; })},
    {"sub", row_of([](float a, float b) { return a - b; })},
    {"mul", row_of([](float a, float b) { return a * b; })},
    {"div", row_of([](float a, float b) { return a / b; })},
    {"pow", row_of([](float a, float b) { return std::pow(a, b); })},
    {"min", row_of([](float a, float b) { return b != b || b < a ? b : a; })},
    {"max", row_of([](float a, float b) { return b != b || b > a ? b : a; })},
    {"prelu", row_of([](float a, float b) { return a < 0 ? a * b : a; })},
};

class BinaryStep : public Step {
 public:
  void run(Run& run) const override {
    const float* first = a.data(run);
    const float* second = b.data(run);
    float* to = run.value<float>(output);
    parallel_rows(run, walk.rows(), walk.length(), [&](int64_t begin, int64_t end) {
      walk.run(begin, end, [&](const Walk::Offsets& at) {
        row(first + at[0], walk.step(0), second + at[1], walk.step(1), to + at[2], walk.length());
      });
    });
  }
  Operand a, b;
  Row row = nullptr;
  Walk walk;  // a, b, output
  int output = 0;
};

StepPtr build(const LayerReader& reader, std::string_view kind) {
  auto step = std::make_unique<BinaryStep>();
  for (const Kind& each : kKinds) {
    if (each.name == kind) step->row = each.row;
  }
  step->a = read_operand(reader, "a");
  step->b = read_operand(reader, "b");
  step->output = reader.output({DType::kF32});
  const Sizes out = reader.value(step->output).shape.sizes();
  step->walk = Walk(out, {broadcast_strides(reader, "a", step->a.sizes, out),
                          broadcast_strides(reader, "b", step->b.sizes, out), strides_of(out)});
  name_step(*step, concat("binary ", kind));
  return step;
}

}  // namespace

StepPtr build_binary(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  return build(reader,
               reader.word("kind", {"add", "sub", "mul", "div", "pow", "min", "max", "prelu"}));
}

// A gate: a is (C, H, W), b one number per channel, (C, 1, 1).
StepPtr build_mul(const Program& program, const Layer& layer, int index,
                  const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  const Shape& a = reader.value(reader.input("a", {DType::kF32})).shape;
  const Shape& b = reader.value(reader.input("b", {DType::kF32})).shape;
  reader.require(!a.general && !a.flat && b.sizes() == Sizes{a.channels, 1, 1},
                 "b must have one number per channel of a, (C, 1, 1)", b.text());
  reader.require_shape(layer.output, a);
  if (is_planes_map(program, layer)) return build_planes_map(reader, choice);
  return build(reader, "mul");
}

}  // namespace niwaki
