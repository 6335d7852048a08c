#include <algorithm>
#include <cmath>

#include "epilogue/epilogue.h"

namespace niwaki::kernels {
namespace {

template <class Multiplier>
double read(const Term<Multiplier>& term, std::int64_t index) {
  switch (term.type) {
    case TermType::f32:
      return static_cast<const float*>(term.data)[index];
    case TermType::s32:
      return static_cast<const std::int32_t*>(term.data)[index];
    case TermType::u8:
      return static_cast<const std::uint8_t*>(term.data)[index];
    case TermType::s8:
      return static_cast<const std::int8_t*>(term.data)[index];
  }
  return 0;
}

double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }

double activate(double x, const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::none:
      return x;
    case ActivationKind::relu:
      return x < 0 ? 0 : x;
    case ActivationKind::leaky_relu:
      return x < 0 ? activation.alpha * x : x;
    case ActivationKind::clip:
      return clamp(x, activation.lo, activation.hi);
    case ActivationKind::sigmoid:
      return 1 / (1 + std::exp(-x));
    case ActivationKind::hard_sigmoid:
      return clamp(activation.alpha * x + activation.beta, 0, 1);
    case ActivationKind::hard_swish:
      return x * clamp(x / 6 + 0.5, 0, 1);
    case ActivationKind::silu:
      return x / (1 + std::exp(-x));
    case ActivationKind::tanh:
      return std::tanh(x);
  }
  return x;
}

template <class Args, class Function>
void for_each_output(const Args& args, Function function) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t y = 0; y < args.height; ++y) {
      for (std::int64_t x = 0; x < args.width; ++x) {
        function(c, y, x, args.output[(c * args.height + y) * args.width + x]);
      }
    }
  }
}

template <class Multiplier>
std::int64_t place(const Term<Multiplier>& term, std::int64_t c, std::int64_t y, std::int64_t x) {
  return c * term.channel_stride + y * term.row_stride + x;
}

template <class Out>
void requantize(const RequantizeArgs<Out>& args) {
  for_each_output(args, [&](std::int64_t c, std::int64_t y, std::int64_t x, Out& out) {
    std::int64_t sum = args.bias[c];
    for (int j = 0; j < args.count; ++j) {
      const auto& term = args.terms[j];
      sum += term.multiplier[c] * static_cast<std::int64_t>(read(term, place(term, c, y, x)));
    }
    sum += std::int64_t{1} << (args.shift[c] - 1);
    out = static_cast<Out>(std::clamp(sum >> args.shift[c], args.lo, args.hi));
  });
}

}  // namespace

void epilogue_f32_reference(const EpilogueF32Args& args) {
  for_each_output(args, [&](std::int64_t c, std::int64_t y, std::int64_t x, float& out) {
    double sum = args.bias == nullptr ? 0 : args.bias[c];
    for (int j = 0; j < args.count; ++j) {
      const auto& term = args.terms[j];
      const double scale = term.multiplier == nullptr ? 1 : term.multiplier[c];
      sum += scale * read(term, place(term, c, y, x));
    }
    out = static_cast<float>(activate(sum, args.activation));
  });
}

void requantize_u8_reference(const RequantizeU8Args& args) { requantize(args); }
void requantize_i8_reference(const RequantizeS8Args& args) { requantize(args); }

void sum_i32_reference(const SumS32Args& args) {
  for_each_output(args, [&](std::int64_t c, std::int64_t y, std::int64_t x, std::int32_t& out) {
    std::int64_t sum = args.bias[c];
    for (int j = 0; j < args.count; ++j) {
      sum += static_cast<std::int64_t>(read(args.terms[j], place(args.terms[j], c, y, x)));
    }
    out = static_cast<std::int32_t>(sum);
  });
}

}  // namespace niwaki::kernels
