// DenseConvF32: one block of output channels.
#include "dense_conv_f32/dense_conv_f32.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct DenseConvProblem : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  std::int64_t rows, width, row, step, row_step, count, run_length;
  std::vector<std::int32_t> taps;
  std::vector<float> input, weights, bias, residual;
  std::vector<std::uint32_t> mask;
  bool has_bias, has_residual;
  Activation activation;

  explicit DenseConvProblem(Random& random)
      : rows(random.integer(1, 5)),
        width(random.integer(1, 40)),
        row(width + random.pick({0, 0, 1, 3})),
        step(random.integer(0, 4)),
        row_step(random.integer(0, 50)),
        count(random.pick({1, 3, 4, 8, 9, 15, 16, 17, 31, 32})),
        run_length(random.integer(1, std::min(kDenseConvMostRun, width))),
        taps(integers<std::int32_t>(random, random.pick({0, 1, 7, 60, 255, 256, 257}), 0, 99)),
        input(reals(random, 100 + (rows - 1) * row_step + (width - 1) * step)),
        weights(reals(random, static_cast<std::int64_t>(taps.size()) * kDenseConvBlock)),
        bias(reals(random, count)),
        residual(reals(random, count * pixels() + kPixelBlock)),
        mask(static_cast<std::size_t>(pixels() / 32 + 2)),
        has_bias(random.chance(0.5)),
        has_residual(random.chance(0.5)) {
    for (std::int64_t p = 0; p < pixels(); ++p) {
      if (p % row < width) mask[static_cast<std::size_t>(p / 32)] |= std::uint32_t{1} << (p % 32);
    }
    activation.kind = random.chance(0.5) ? ActivationKind::relu : ActivationKind::none;
  }
  std::int64_t pixels() const { return rows * row; }
  std::size_t outputs() const { return static_cast<std::size_t>(count * pixels()); }
  void run(const KernelEntry& kernel, float* output) const {
    std::vector<float> sums(
        static_cast<std::size_t>(dense_conv_slots(rows, width, run_length) * kDenseConvBlock));
    DenseConvF32Args args{};
    args.input = input.data();
    args.row_step = row_step;
    args.step = step;
    args.taps = taps.data();
    args.tap_count = static_cast<std::int64_t>(taps.size());
    args.weights = weights.data();
    args.outputs = count;
    args.rows = rows;
    args.width = width;
    args.row = row;
    args.run = run_length;
    args.sums = sums.data();
    args.output = output;
    args.output_plane = pixels();
    args.bias = has_bias ? bias.data() : nullptr;
    args.residual = has_residual ? residual.data() : nullptr;
    args.store.residual_plane = pixels();
    args.store.activation = activation;
    args.store.mask = row == width ? nullptr : mask.data();
    args.store.pixels = pixels();
    call<DenseConvF32>(kernel, args);
  }
  void make_absolute() {
    take_absolute(input);
    take_absolute(weights);
    take_absolute(bias);
    take_absolute(residual);
  }
};

NIWAKI_CHECK(DenseConvF32, DenseConvProblem)

}  // namespace
}  // namespace niwaki::check
