// Functions of one number, element by element, that the epilogue doesn't know.
//
// These are what networks use beside convolutions, seldom and small: the C library's precision
// matters more than its speed here.
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/ops_tensor.h"
#include "engine/text.h"

namespace niwaki {
namespace {

using Row = void (*)(const float* x, float* y, int64_t count, float alpha, float beta);

template <class Function>
constexpr Row row_of(Function) {
  return [](const float* x, float* y, int64_t count, float alpha, float beta) {
    for (int64_t i = 0; i < count; ++i) y[i] = Function{}(x[i], alpha, beta);
  };
}

// log(1 + exp(x)) without overflow.
float softplus(float x) { return std::max(x, 0.0F) + std::log1p(std::exp(-std::fabs(x))); }

float gelu_tanh(float x) {
  return 0.5F * x * (1 + std::tanh(0.797884561F * (x + 0.044715F * x * x * x)));  // sqrt(2 / pi)
}

struct Kind {
  std::string_view name;
  Row row;
};

// ONNX's operators; alpha and beta are theirs.
constexpr Kind kKinds[] = {
    {"abs", row_of([](float x, float, float) { return std::fabs(x); })},
    {"neg", row_of([](float x, float, float) { return -x; })},
    {"exp", row_of([](float x, float, float) { return std::exp(x); })},
    {"log", row_of([](float x, float, float) { return std::log(x); })},
    {"sqrt", row_of([](float x, float, float) { return std::sqrt(x); })},
    {"reciprocal", row_of([](float x, float, float) { return 1 / x; })},
    {"floor", row_of([](float x, float, float) { return std::floor(x); })},
    {"ceil", row_of([](float x, float, float) { return std::ceil(x); })},
    {"round", row_of([](float x, float, float) { return std::nearbyint(x); })},  // half to even
    {"sign", row_of([](float x, float, float) { return x > 0   ? 1.0F
                                                       : x < 0 ? -1.0F
                                                               : x; })},
    {"erf", row_of([](float x, float, float) { return std::erf(x); })},
    {"sin", row_of([](float x, float, float) { return std::sin(x); })},
    {"cos", row_of([](float x, float, float) { return std::cos(x); })},
    {"tan", row_of([](float x, float, float) { return std::tan(x); })},
    {"asin", row_of([](float x, float, float) { return std::asin(x); })},
    {"acos", row_of([](float x, float, float) { return std::acos(x); })},
    {"atan", row_of([](float x, float, float) { return std::atan(x); })},
    {"sinh", row_of([](float x, float, float) { return std::sinh(x); })},
    {"cosh", row_of([](float x, float, float) { return std::cosh(x); })},
    {"asinh", row_of([](float x, float, float) { return std::asinh(x); })},
    {"acosh", row_of([](float x, float, float) { return std::acosh(x); })},
    {"atanh", row_of([](float x, float, float) { return std::atanh(x); })},
    {"gelu",
     row_of([](float x, float, float) { return 0.5F * x * (1 + std::erf(x * 0.707106781F)); })},
    {"gelu_tanh", row_of([](float x, float, float) { return gelu_tanh(x); })},
    {"mish", row_of([](float x, float, float) { return x * std::tanh(softplus(x)); })},
    {"softplus", row_of([](float x, float, float) { return softplus(x); })},
    {"softsign", row_of([](float x, float, float) { return x / (1 + std::fabs(x)); })},
    {"elu", row_of([](float x, float alpha, float) { return x < 0 ? alpha * std::expm1(x) : x; })},
    {"selu", row_of([](float x, float alpha, float beta) {
       return beta * (x < 0 ? alpha * std::expm1(x) : x);
     })},
    {"celu", row_of([](float x, float alpha, float) {
       return std::max(0.0F, x) + std::min(0.0F, alpha * std::expm1(x / alpha));
     })},
    {"thresholded_relu", row_of([](float x, float alpha, float) { return x > alpha ? x : 0.0F; })},
    {"shrink", row_of([](float x, float alpha, float beta) {
       return x < -alpha ? x + beta : x > alpha ? x - beta : 0.0F;
     })},
};

class UnaryStep : public Step {
 public:
  void run(Run& run) const override {
    const float* from = run.value<const float>(x);
    float* to = run.value<float>(output);
    parallel_rows(run, elements, 1, [&](int64_t first, int64_t last) {
      row(from + first, to + first, last - first, alpha, beta);
    });
  }
  Row row = nullptr;
  int x = 0, output = 0;
  int64_t elements = 0;
  float alpha = 0, beta = 0;
};

float read_number(const LayerReader& reader, const char* key) {
  const double number = reader.number(key);
  reader.require(std::fabs(number) <= 3.4e38, concat(key, " must be a float32 number"),
                 std::to_string(number));
  return static_cast<float>(number);
}

}  // namespace

StepPtr build_unary(const Program& program, const Layer& layer, int index, const KernelChoice&) {
  const LayerReader reader(program, layer, index);
  auto step = std::make_unique<UnaryStep>();
  std::string names;
  const Json* kind = layer.attrs.find("kind");
  for (const Kind& each : kKinds) {
    if (kind != nullptr && kind->is_string() && kind->string() == each.name) step->row = each.row;
    names += concat(names.empty() ? "" : ", ", each.name);
  }
  reader.require(step->row != nullptr, concat("kind must be one of ", names),
                 kind == nullptr ? "none" : kind->describe());
  step->x = reader.input("x", {DType::kF32});
  step->output = reader.output({DType::kF32});
  reader.require_shape(step->output, reader.value(step->x).shape);
  step->elements = reader.value(step->x).shape.elements();
  step->alpha = read_number(reader, "alpha");
  step->beta = read_number(reader, "beta");
  name_step(*step, concat("unary ", kind->string()));
  return step;
}

}  // namespace niwaki
