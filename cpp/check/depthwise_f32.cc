// DepthwiseF32: some output channels, pads in place.
#include "depthwise_f32/depthwise_f32.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct DepthwiseProblem : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  Window window;
  std::int64_t rows, width, row, count, per_input;
  std::int64_t input_rows, input_row;
  std::vector<float> input, weights, bias, residual;
  bool has_bias, has_residual;
  Activation activation;

  explicit DepthwiseProblem(Random& random)
      : rows(random.integer(1, 15)),
        width(random.integer(1, 40)),
        row(width + random.pick({0, 0, 1, 3, 17})),
        count(random.integer(1, 5)),
        per_input(random.integer(1, 2)),
        has_bias(random.chance(0.5)),
        has_residual(random.chance(0.5)) {
    if (random.chance(0.5)) {  // the squares that have tiles of their own
      window.kernel_h = window.kernel_w = random.pick({3, 5, 7});
      window.stride_h = window.stride_w = random.integer(1, 2);
    } else {
      window.kernel_h = random.integer(1, 4);
      window.kernel_w = random.integer(1, 4);
      window.dilation_h = random.integer(1, 3);
      window.dilation_w = random.integer(1, 3);
      window.stride_h = random.integer(1, 3);
      window.stride_w = random.integer(1, 2);
    }
    input_rows = (rows - 1) * window.stride_h + (window.kernel_h - 1) * window.dilation_h + 1;
    input_row = (width - 1) * window.stride_w + (window.kernel_w - 1) * window.dilation_w + 1;
    input = reals(random,
                  (count + per_input - 1) / per_input * input_rows * input_row + kDepthwiseReach);
    weights = reals(random, count * window.kernel_h * window.kernel_w);
    bias = reals(random, count);
    residual = reals(random, count * rows * row + kPixelBlock);
    activation.kind = random.chance(0.5) ? ActivationKind::clip : ActivationKind::none;
    activation.lo = 0;
    activation.hi = 6;
  }
  std::size_t outputs() const { return static_cast<std::size_t>(count * rows * row); }
  void run(const KernelEntry& kernel, float* output) const {
    DepthwiseF32Args args{};
    args.input = input.data();
    args.input_plane = input_rows * input_row;
    args.input_row = input_row;
    args.window = window;
    args.weights = weights.data();
    args.outputs = count;
    args.per_input = per_input;
    args.rows = rows;
    args.width = width;
    args.row = row;
    args.output = output;
    args.output_plane = rows * row;
    args.bias = has_bias ? bias.data() : nullptr;
    args.residual = has_residual ? residual.data() : nullptr;
    args.residual_plane = rows * row;
    args.residual_row = row;
    args.activation = activation;
    call<DepthwiseF32>(kernel, args);
  }
  void make_absolute() {
    take_absolute(input);
    take_absolute(weights);
    take_absolute(bias);
    take_absolute(residual);
    activation.kind = ActivationKind::none;
  }
};

NIWAKI_CHECK(DepthwiseF32, DepthwiseProblem)

}  // namespace
}  // namespace niwaki::check
