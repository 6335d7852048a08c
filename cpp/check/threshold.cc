// Planes to bits and back.
#include "threshold/threshold.h"

#include "check/check.h"

namespace niwaki::check {
namespace {

using namespace kernels;

template <class Op, class X, class Level>
struct ThresholdProblem : Problem {
  using Output = std::uint64_t;
  std::int64_t channels, pixels;
  std::vector<X> input;
  std::vector<std::int8_t> sign;
  std::vector<Level> level;

  explicit ThresholdProblem(Random& random) : channels(random.awkward()), pixels(random.awkward()) {
    for (std::int64_t c = 0; c < channels; ++c) {
      sign.push_back(random.chance(0.5) ? -1 : 1);
      if constexpr (std::is_same_v<X, float>) {
        const float special[] = {INFINITY, -INFINITY};
        level.push_back(random.chance(0.1) ? special[random.integer(0, 1)] : halves(random));
      } else {
        const Level special[] = {std::numeric_limits<Level>::min(),
                                 std::numeric_limits<Level>::max()};
        level.push_back(random.chance(0.2) ? special[random.integer(0, 1)]
                                           : static_cast<Level>(random.integer(-300, 300)));
      }
    }
    if constexpr (std::is_same_v<X, float>) {
      for (std::int64_t k = 0; k < channels * pixels; ++k) {
        input.push_back(random.chance(0.05) ? NAN : halves(random));
      }
      input.shrink_to_fit();
    } else {
      input = integers<X>(random, channels * pixels);
    }
  }
  // Few values, so that many are equal to a level.
  static float halves(Random& random) { return static_cast<float>(random.integer(-3, 3)) / 2; }
  std::size_t outputs() const { return static_cast<std::size_t>(pixels * ((channels + 63) / 64)); }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<Op>(kernel, {input.data(), channels, pixels, sign.data(), level.data(), output});
  }
};

template <class Op, class Y>
struct UnpackProblem : Problem {
  using Output = Y;
  std::int64_t channels, pixels;
  std::vector<std::uint64_t> bits;

  explicit UnpackProblem(Random& random)
      : channels(random.awkward()),
        pixels(random.awkward()),
        bits(words(random, pixels * ((channels + 63) / 64))) {}
  std::size_t outputs() const { return static_cast<std::size_t>(channels * pixels); }
  void run(const KernelEntry& kernel, Y* output) const {
    call<Op>(kernel, {bits.data(), channels, pixels, output});
  }
};

using F32 = ThresholdProblem<ThresholdF32, float, float>;
using U8 = ThresholdProblem<ThresholdU8, std::uint8_t, std::int32_t>;
using S8 = ThresholdProblem<ThresholdS8, std::int8_t, std::int32_t>;
using ToF32 = UnpackProblem<UnpackBitsF32, float>;
using ToU8 = UnpackProblem<UnpackBitsU8, std::uint8_t>;

NIWAKI_CHECK(ThresholdF32, F32)
NIWAKI_CHECK(ThresholdU8, U8)
NIWAKI_CHECK(ThresholdS8, S8)
NIWAKI_CHECK(UnpackBitsF32, ToF32)
NIWAKI_CHECK(UnpackBitsU8, ToU8)

}  // namespace
}  // namespace niwaki::check
