// Pools, and the conversions at the ends of an integer network.
#include "pool/pool.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

template <class Op, class X, class Y>
struct PoolProblem : Problem {
  using Output = Y;
  static constexpr bool kExact = Op::name != AveragePoolF32::name;
  PoolArgs<X, Y> args{};
  std::vector<X> input;

  explicit PoolProblem(Random& random) {
    args.channels = random.integer(0, 3);
    args.height = draw_side(random);
    args.width = draw_side(random);
    args.window = draw_window(random, 4, false);
    const Window& w = args.window;
    const std::int64_t extra = random.integer(0, 1);  // ceil mode has one more
    const std::int64_t rows = args.height + w.pad_top + w.pad_bottom - w.kernel_h;
    const std::int64_t columns = args.width + w.pad_left + w.pad_right - w.kernel_w;
    args.out_height = std::max<std::int64_t>(0, rows) / w.stride_h + extra;
    args.out_width = std::max<std::int64_t>(0, columns) / w.stride_w + extra;
    args.count_include_pad = random.chance(0.5);
    const std::int64_t count = args.channels * args.height * args.width;
    if constexpr (std::is_same_v<X, float>) {
      input = reals(random, count);
      if (kExact) {
        for (float& x : input) {
          if (random.chance(0.05)) x = std::numeric_limits<float>::quiet_NaN();
        }
      }
    } else {
      input = integers<X>(random, count);
    }
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>(args.channels * args.out_height * args.out_width);
  }
  void run(const KernelEntry& kernel, Y* output) const {
    PoolArgs<X, Y> call_args = args;
    call_args.input = input.data();
    call_args.output = output;
    call<Op>(kernel, call_args);
  }
  void make_absolute() {
    if constexpr (!kExact) take_absolute(input);
  }
};

template <class Op, class X, class Y>
struct ConvertProblem : Problem {
  using Output = Y;
  std::vector<X> input;
  float scale;

  explicit ConvertProblem(Random& random) {
    const std::int64_t count = random.awkward();
    scale = random.chance(0.5) ? 0.037F : static_cast<float>(random.integer(1, 2));
    if constexpr (std::is_same_v<X, float>) {
      for (std::int64_t k = 0; k < count; ++k) {
        const float x = static_cast<float>(random.integer(-600, 600)) / 4;  // halves are common
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        const float special[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity,
                                 1e30F};
        input.push_back(random.chance(0.1) ? special[random.integer(0, 3)] : x);
      }
      input.shrink_to_fit();
    } else {
      input = integers<X>(random, count);
    }
  }
  std::size_t outputs() const { return input.size(); }
  void run(const KernelEntry& kernel, Y* output) const {
    call<Op>(kernel, {input.data(), static_cast<std::int64_t>(input.size()), scale, output});
  }
};

using MaxF32 = PoolProblem<MaxPoolF32, float, float>;
using MaxU8 = PoolProblem<MaxPoolU8, std::uint8_t, std::uint8_t>;
using MaxS8 = PoolProblem<MaxPoolS8, std::int8_t, std::int8_t>;
using AverageF32 = PoolProblem<AveragePoolF32, float, float>;
using SumU8 = PoolProblem<SumPoolU8, std::uint8_t, std::int32_t>;
using SumS8 = PoolProblem<SumPoolS8, std::int8_t, std::int32_t>;
using Quantize = ConvertProblem<QuantizeS8, float, std::int8_t>;
using FromS32 = ConvertProblem<DequantizeS32, std::int32_t, float>;
using FromU8 = ConvertProblem<DequantizeU8, std::uint8_t, float>;
using FromS8 = ConvertProblem<DequantizeS8, std::int8_t, float>;

NIWAKI_CHECK(MaxPoolF32, MaxF32)
NIWAKI_CHECK(MaxPoolU8, MaxU8)
NIWAKI_CHECK(MaxPoolS8, MaxS8)
NIWAKI_CHECK(AveragePoolF32, AverageF32)
NIWAKI_CHECK(SumPoolU8, SumU8)
NIWAKI_CHECK(SumPoolS8, SumS8)
NIWAKI_CHECK(QuantizeS8, Quantize)
NIWAKI_CHECK(DequantizeS32, FromS32)
NIWAKI_CHECK(DequantizeU8, FromU8)
NIWAKI_CHECK(DequantizeS8, FromS8)

}  // namespace
}  // namespace niwaki::check
