// What happens at the store: floats with an activation, and the integer rule.
#include "epilogue/epilogue.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

// One term's memory, of any type.
struct TermData {
  TermType type = TermType::f32;
  std::int64_t row = 0;
  std::vector<float> f32;
  std::vector<std::int32_t> s32;
  std::vector<std::uint8_t> u8;
  std::vector<std::int8_t> s8;

  const void* data() const {
    switch (type) {
      case TermType::f32:
        return f32.data();
      case TermType::s32:
        return s32.data();
      case TermType::u8:
        return u8.data();
      case TermType::s8:
        return s8.data();
    }
    return nullptr;
  }
};

struct Sizes : Problem {
  std::int64_t channels, height, width;

  explicit Sizes(Random& random)
      : channels(random.integer(0, 4)), height(draw_side(random)), width(random.awkward()) {
    if (random.chance(0.3)) {  // a linear layer
      channels = random.awkward();
      height = width = 1;
    }
  }
  std::size_t outputs() const { return static_cast<std::size_t>(channels * height * width); }
  // Rows are compact, or wider than the output: accumulators of a padded plane.
  std::int64_t draw_row(Random& random) const { return width + random.pick({0, 0, 1, 5}); }
};

struct FloatProblem : Sizes {
  using Output = float;
  static constexpr bool kExact = false;
  std::vector<TermData> terms;
  std::vector<std::vector<float>> scales;
  std::vector<float> bias;
  bool has_bias;
  Activation activation;

  explicit FloatProblem(Random& random) : Sizes(random), has_bias(random.chance(0.7)) {
    const std::int64_t count = random.integer(1, kMaxTerms);
    for (std::int64_t j = 0; j < count; ++j) {
      TermData term;
      term.row = draw_row(random);
      const std::int64_t size = channels * height * term.row;
      const bool integer = random.chance(0.3);
      term.type = integer ? TermType::s32 : TermType::f32;
      if (integer) {
        term.s32 = integers<std::int32_t>(random, size, -1000, 1000);
      } else {
        term.f32 = reals(random, size);
        const float special[] = {0.0F, -0.0F, 1e-30F, -1e30F, 1e30F, 100, -100, NAN};
        for (float& x : term.f32) {
          x = random.chance(0.1) ? special[random.integer(0, 7)] : 10 * x;
        }
      }
      terms.push_back(std::move(term));
      scales.push_back(integer || random.chance(0.5) ? reals(random, channels)
                                                     : std::vector<float>{});
    }
    bias = reals(random, channels);
    activation.kind = static_cast<ActivationKind>(
        random.integer(0, static_cast<std::int64_t>(ActivationKind::tanh)));
    activation.alpha = 0.2F;
    activation.beta = 0.5F;
    activation.lo = -0.5F;
    activation.hi = 6;
  }
  void run(const KernelEntry& kernel, float* output) const {
    EpilogueF32Args args{};
    for (std::size_t j = 0; j < terms.size(); ++j) {
      args.terms[j] = {terms[j].data(), terms[j].type, height * terms[j].row, terms[j].row,
                       scales[j].empty() ? nullptr : scales[j].data()};
    }
    args.count = static_cast<std::int32_t>(terms.size());
    args.bias = has_bias ? bias.data() : nullptr;
    args.activation = activation;
    args.channels = channels;
    args.height = height;
    args.width = width;
    args.output = output;
    call<EpilogueF32>(kernel, args);
  }
  // No activation steepens by more than 1.1; the 1 covers those that end between -1 and 1.
  void make_absolute() {
    for (TermData& term : terms) {
      take_absolute(term.f32);
      take_absolute(term.s32);
    }
    for (auto& each : scales) take_absolute(each);
    for (float& x : bias) x = 1 + (has_bias ? std::abs(x) : 0);
    has_bias = true;
    activation.kind = ActivationKind::none;
  }
};

template <class Op, class Out>
struct IntegerProblem : Sizes {
  using Output = Out;
  static constexpr bool kSum = std::is_same_v<Out, std::int32_t>;
  std::vector<TermData> terms;
  std::vector<std::vector<std::int16_t>> multipliers;
  std::vector<std::int64_t> bias;
  std::vector<std::uint8_t> shift;
  std::int64_t lo, hi;

  explicit IntegerProblem(Random& random) : Sizes(random) {
    const std::int64_t count = random.integer(1, kMaxTerms);
    for (std::int64_t j = 0; j < count; ++j) {
      TermData term;
      term.row = draw_row(random);
      term.type = static_cast<TermType>(random.integer(1, 3));
      const std::int64_t size = channels * height * term.row;
      constexpr std::int64_t kMost = kSum ? INT32_MAX / 8 : INT32_MAX;  // a plain sum must fit s32
      if (term.type == TermType::s32) {
        term.s32 = integers<std::int32_t>(random, size, -kMost, kMost);
      } else if (term.type == TermType::u8) {
        term.u8 = integers<std::uint8_t>(random, size);
      } else {
        term.s8 = integers<std::int8_t>(random, size);
      }
      terms.push_back(std::move(term));
      multipliers.push_back(integers<std::int16_t>(random, channels));
    }
    const std::int64_t most = kSum ? 1 << 20 : (std::int64_t{1} << 47) - 1;
    bias = integers<std::int64_t>(random, channels, -most, most);
    shift = integers<std::uint8_t>(random, channels, 1, 40);
    for (auto& each : shift) {
      if (random.chance(0.5)) each = 38;  // where a full s32 times a full s16 lands near 8 bits
    }
    lo = std::is_same_v<Out, std::uint8_t> ? 0 : -128;
    hi = lo + 255;
    if (random.chance(0.5)) {
      lo += 3;
      hi -= 7;
    }
  }
  void run(const KernelEntry& kernel, Out* output) const {
    RequantizeArgs<Out> args{};
    for (std::size_t j = 0; j < terms.size(); ++j) {
      args.terms[j] = {terms[j].data(), terms[j].type, height * terms[j].row, terms[j].row,
                       multipliers[j].data()};
    }
    args.count = static_cast<std::int32_t>(terms.size());
    args.bias = bias.data();
    args.shift = shift.data();
    args.lo = lo;
    args.hi = hi;
    args.channels = channels;
    args.height = height;
    args.width = width;
    args.output = output;
    call<Op>(kernel, args);
  }
};

using ToU8 = IntegerProblem<RequantizeU8, std::uint8_t>;
using ToS8 = IntegerProblem<RequantizeS8, std::int8_t>;
using Sum = IntegerProblem<SumS32, std::int32_t>;

NIWAKI_CHECK(EpilogueF32, FloatProblem)
NIWAKI_CHECK(RequantizeU8, ToU8)
NIWAKI_CHECK(RequantizeS8, ToS8)
NIWAKI_CHECK(SumS32, Sum)

}  // namespace
}  // namespace niwaki::check
