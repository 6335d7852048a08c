// WindowOnes and ConvB1.
#include "conv_b1/conv_b1.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct BinaryProblem : Problem {
  using Output = std::int32_t;
  BinaryWindow window{};
  std::vector<std::uint64_t> input;

  explicit BinaryProblem(Random& random) {
    const Window w = draw_window(random, 3);
    const std::int64_t height = random.integer(1, 9);
    window.padded_w = std::max<std::int64_t>(random.awkward(), 1);
    window.words = random.integer(1, 9);
    window.kernel_h = w.kernel_h;
    window.kernel_w = w.kernel_w;
    window.stride_h = w.stride_h;
    window.stride_w = w.stride_w;
    window.dilation_h = w.dilation_h;
    window.dilation_w = w.dilation_w;
    window.out_height = positions(height, w.kernel_h, w.stride_h, w.dilation_h);
    window.out_width = positions(window.padded_w, w.kernel_w, w.stride_w, w.dilation_w);
    input = words(random, height * window.padded_w * window.words);
  }
  static std::int64_t positions(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                std::int64_t dilation) {
    const std::int64_t room = size - (kernel - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
  std::int64_t pixels() const { return window.out_height * window.out_width; }
};

struct OnesProblem : BinaryProblem {
  using BinaryProblem::BinaryProblem;
  std::size_t outputs() const { return static_cast<std::size_t>(pixels()); }
  void run(const KernelEntry& kernel, std::int32_t* output) const {
    call<WindowOnes>(kernel, {input.data(), window, output});
  }
};

struct ConvProblem : BinaryProblem {
  std::int64_t count, row, stride;
  std::vector<std::uint64_t> weights;
  std::vector<std::int32_t> ones;

  explicit ConvProblem(Random& random)
      : BinaryProblem(random),
        count(random.pick({1, 7, 8, 9, 16, 17, 24, 25})),
        row(window.out_width + random.pick({0, 1, 5})),
        stride(row * window.out_height + random.pick({0, 3})) {
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
  std::size_t outputs() const { return static_cast<std::size_t>(count * stride); }
  void run(const KernelEntry& kernel, std::int32_t* output) const {
    call<ConvB1>(kernel,
                 {input.data(), window, weights.data(), ones.data(), count, output, stride, row});
  }
};

struct PlanesProblem : ConvProblem {
  using Output = float;
  std::vector<float> scale, residual;

  explicit PlanesProblem(Random& random) : ConvProblem(random), scale(reals(random, count)) {
    if (random.chance(0.5)) residual = reals(random, count * pixels());
  }
  void run(const KernelEntry& kernel, float* output) const {
    call<PlanesB1>(kernel, {input.data(), window, weights.data(), ones.data(), count, scale.data(),
                            residual.empty() ? nullptr : residual.data(), pixels(),
                            window.out_width, output, stride, row});
  }
};

NIWAKI_CHECK(PlanesB1, PlanesProblem)
NIWAKI_CHECK(WindowOnes, OnesProblem)
NIWAKI_CHECK(ConvB1, ConvProblem)

}  // namespace
}  // namespace niwaki::check
