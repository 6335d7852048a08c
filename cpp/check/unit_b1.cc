// UnitB1 and ChainB1.
#include "unit_b1/unit_b1.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct UnitsProblem : Problem {
  BinaryWindow window{};
  std::int64_t count;
  std::vector<std::uint64_t> input, weights;
  std::vector<std::int32_t> ones;

  explicit UnitsProblem(Random& random) : count(random.integer(1, 130)) {
    const Window w = draw_window(random, 3);
    const std::int64_t height = random.integer(1, 5);
    window = {
        random.integer(1, 20), random.integer(1, 9), w.kernel_h, w.kernel_w, w.stride_h, w.stride_w,
        w.dilation_h,          w.dilation_w,         0,          0};
    window.out_height = positions(height, w.kernel_h, w.stride_h, w.dilation_h);
    window.out_width = positions(window.padded_w, w.kernel_w, w.stride_w, w.dilation_w);
    input = words(random, height * window.padded_w * window.words);
    const std::int64_t blocks = (count + kBinaryBlock - 1) / kBinaryBlock;
    weights =
        words(random, blocks * kBinaryBlock * window.kernel_h * window.kernel_w * window.words);
    ones.resize(static_cast<std::size_t>(pixels()));
    for (const KernelEntry& entry : all_kernels()) {
      if (entry.op == WindowOnes::name && entry.isa == Isa::reference) {
        call<WindowOnes>(entry, {input.data(), window, ones.data()});
      }
    }
  }
  static std::int64_t positions(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                std::int64_t dilation) {
    const std::int64_t room = size - (kernel - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
  std::int64_t pixels() const { return window.out_height * window.out_width; }
  std::int64_t word_count() const { return pixels() * ((count + 63) / 64); }
  std::int64_t readable() const {
    return (count + kUnitParameters - 1) / kUnitParameters * kUnitParameters;
  }
};

// Floats and words in one array of u32, words first: they need the alignment.
struct UnitProblem : UnitsProblem {
  using Output = std::uint32_t;
  bool floats, bits, relu;
  std::vector<float> scale, bias, sign, level, residual;

  explicit UnitProblem(Random& random)
      : UnitsProblem(random),
        floats(random.chance(0.8)),
        bits(!floats || random.chance(0.8)),
        relu(random.chance(0.3)) {
    for (std::int64_t o = 0; o < readable(); ++o) {
      // Quarters, so that many values are equal to their level.
      scale.push_back(random.chance(0.5) ? random.real()
                                         : static_cast<float>(random.integer(-4, 4)) / 4);
      bias.push_back(static_cast<float>(random.integer(-9, 9)) / 4);
      sign.push_back(random.chance(0.5) ? -1.0F : 1.0F);
      level.push_back(static_cast<float>(random.integer(-9, 9)) / 4);
    }
    if (random.chance(0.7)) residual = reals(random, pixels() * count);
    if (!residual.empty()) residual[0] = NAN;
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>((bits ? 2 * word_count() : 0) +
                                    (floats ? pixels() * count : 0));
  }
  void run(const KernelEntry& kernel, std::uint32_t* output) const {
    auto* words = bits ? reinterpret_cast<std::uint64_t*>(output) : nullptr;
    auto* y = reinterpret_cast<float*>(output + (bits ? 2 * word_count() : 0));
    call<UnitB1>(kernel, {input.data(), window, weights.data(), ones.data(), count, scale.data(),
                          bias.data(), residual.empty() ? nullptr : residual.data(), relu,
                          floats ? y : nullptr, sign.data(), level.data(), words});
  }
};

struct ChainProblem : UnitsProblem {
  using Output = std::uint64_t;
  std::vector<std::int32_t> sign, limit;

  explicit ChainProblem(Random& random) : UnitsProblem(random) {
    for (std::int64_t o = 0; o < readable(); ++o) {
      sign.push_back(random.chance(0.5) ? -1 : 1);
      limit.push_back(random.chance(0.1) ? INT32_MAX
                                         : static_cast<std::int32_t>(random.integer(-30, 30)));
    }
  }
  std::size_t outputs() const { return static_cast<std::size_t>(word_count()); }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<ChainB1>(kernel, {input.data(), window, weights.data(), ones.data(), count, sign.data(),
                           limit.data(), output});
  }
};

NIWAKI_CHECK(UnitB1, UnitProblem)
NIWAKI_CHECK(ChainB1, ChainProblem)

}  // namespace
}  // namespace niwaki::check
