// What the checks of the kernels share: random problems, guarded memory, the comparison.
//
// A family has a file here, and each op of the family one line:
//
//   NIWAKI_CHECK(ConvB1, ConvB1Problem)
//
// where the problem is a random call of the op:
//
//   struct ConvB1Problem : Problem {
//     using Output = std::int32_t;
//     explicit ConvB1Problem(Random& random);          // draws sizes and inputs
//     std::size_t outputs() const;                      // elements that a kernel may write
//     void run(const KernelEntry& kernel, Output* output) const;
//     bool compared(std::size_t index) const;           // optional: elements that are left free
//     static constexpr bool kExact = false;             // optional, for floats; then also:
//     void make_absolute();                             // inputs to their absolute values
//   };
//
// Inputs live in exact-size heap blocks, so that AddressSanitizer sees any read past an end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/table.h"

namespace niwaki::check {

using kernels::KernelEntry;

// splitmix64: the same numbers everywhere, so a failure's seed means something on another machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t word() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  // In [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    const auto span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) +
                                     (span == 0 ? word() : word() % span));
  }
  bool chance(double probability) {
    return static_cast<double>(word() >> 11) * 0x1p-53 < probability;
  }
  // In [-1, 1), 24 bits.
  float real() {
    return static_cast<float>(static_cast<std::int64_t>(word() >> 40)) * 0x1p-23F - 1;
  }
  std::int64_t pick(std::initializer_list<std::int64_t> values) {
    return values.begin()[integer(0, static_cast<std::int64_t>(values.size()) - 1)];
  }
  // A size around the widths of vectors, words and blocks.
  std::int64_t awkward() {
    return chance(0.3) ? integer(1, 130)
                       : pick({0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100});
  }

 private:
  std::uint64_t state_;
};

template <class T>
std::vector<T> integers(Random& random, std::int64_t count,
                        std::int64_t low = std::numeric_limits<T>::min(),
                        std::int64_t high = std::numeric_limits<T>::max()) {
  std::vector<T> drawn(static_cast<std::size_t>(count));
  for (T& x : drawn) x = static_cast<T>(random.integer(low, high));
  drawn.shrink_to_fit();
  return drawn;
}

inline std::vector<float> reals(Random& random, std::int64_t count) {
  std::vector<float> drawn(static_cast<std::size_t>(count));
  for (float& x : drawn) x = random.real();
  return drawn;
}

// Words of bits; some all zero, some all one, and sometimes nothing but ones: only these fill
// counters of a byte.
inline std::vector<std::uint64_t> words(Random& random, std::int64_t count) {
  std::vector<std::uint64_t> drawn(static_cast<std::size_t>(count));
  const bool full = random.chance(0.5);
  for (auto& x : drawn) {
    x = full || random.chance(0.2) ? ~std::uint64_t{0} : random.chance(0.2) ? 0 : random.word();
  }
  return drawn;
}

template <class T>
void take_absolute(std::vector<T>& values) {
  for (T& x : values) x = static_cast<T>(std::abs(x));
}

// The bytes of an output with a fence on both sides. Elements that no kernel writes stay as filled,
// and so are equal as well.
template <class T>
class Output {
 public:
  explicit Output(std::size_t count)
      : count_(count), bytes_(count * sizeof(T) + 2 * kFence, kFill) {}

  T* data() { return reinterpret_cast<T*>(bytes_.data() + kFence); }
  std::size_t size() const { return count_; }
  bool is_fenced() const {
    const auto intact = [](std::uint8_t byte) { return byte == kFill; };
    return std::all_of(bytes_.begin(), bytes_.begin() + kFence, intact) &&
           std::all_of(bytes_.end() - kFence, bytes_.end(), intact);
  }

 private:
  static constexpr std::ptrdiff_t kFence = 256;
  static constexpr std::uint8_t kFill = 0x2a;  // as a float: a small number
  std::size_t count_;
  std::vector<std::uint8_t> bytes_;
};

class Difference : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Problem {
  static constexpr bool kExact = true;
  bool compared(std::size_t) const { return true; }
  void make_absolute() {}
};

// Of the sum of absolute terms: what some hundred float additions in any order may differ by.
inline constexpr double kTolerance = 4e-6;

template <class T>
bool is_close(T got, T expected, double size) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
    if (got == expected) return true;
    return std::abs(static_cast<double>(got) - static_cast<double>(expected)) <= kTolerance * size;
  } else {
    return got == expected;
  }
}

// Runs one random problem through a kernel and its reference. Throws Difference.
template <class SomeProblem>
void compare(const KernelEntry& kernel, const KernelEntry& reference, Random& random) {
  using T = typename SomeProblem::Output;
  SomeProblem problem(random);
  Output<T> expected(problem.outputs());
  Output<T> got(problem.outputs());
  Output<T> sizes(problem.outputs());
  problem.run(reference, expected.data());
  problem.run(kernel, got.data());
  if (!expected.is_fenced() || !got.is_fenced()) throw Difference("wrote outside its output");
  if constexpr (!SomeProblem::kExact) {
    problem.make_absolute();
    problem.run(reference, sizes.data());
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double size = SomeProblem::kExact ? 0 : static_cast<double>(sizes.data()[i]);
    if (problem.compared(i) && !is_close(got.data()[i], expected.data()[i], size)) {
      std::ostringstream text;
      text.precision(9);
      text << "element " << i << " of " << got.size() << " must be " << +expected.data()[i]
           << ", got " << +got.data()[i];
      throw Difference(text.str());
    }
  }
}

using Check = void (*)(const KernelEntry& kernel, const KernelEntry& reference, Random& random);

struct Row {
  std::string_view op;
  Check check;
};

// Every op that has a check, in no order.
std::vector<Row>& rows();

struct Registration {
  Registration(std::string_view op, Check check) { rows().push_back({op, check}); }
};

#define NIWAKI_CHECK(Op, SomeProblem)                                                \
  const ::niwaki::check::Registration registration_##Op(::niwaki::kernels::Op::name, \
                                                        ::niwaki::check::compare<SomeProblem>);

template <class Op>
void call(const KernelEntry& kernel, const typename Op::Args& args) {
  kernels::Kernel<Op>{&kernel}(args);
}

}  // namespace niwaki::check
