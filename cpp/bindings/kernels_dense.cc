// Adapters of the dense float convolutions.
#include <cmath>

#include "bindings/kernel_arguments.h"
#include "dense_conv_f32/dense_conv_f32.h"
#include "depthwise_f32/depthwise_f32.h"
#include "winograd_f32/winograd_f32.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr std::int64_t kMost = 1 << 20;  // of any size: products stay far from overflow

std::int64_t size_of(const Arguments& arguments, const char* key, std::int64_t least) {
  const std::int64_t size = arguments.integer(key);
  require(size >= least && size <= kMost, "sizes must lie in their range");
  return size;
}

// One block of channels, compact planes of rows * row, bias and residual if given, ReLU.
nb::object dense_conv(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<float>("input", 1);
  const auto taps = arguments.array<std::int32_t>("taps", 1);
  const auto weights = arguments.array<float>("weights", 2);
  DenseConvF32Args args = {};
  args.row_step = size_of(arguments, "row_step", 0);
  args.step = size_of(arguments, "step", 0);
  args.outputs = size_of(arguments, "outputs", 1);
  args.rows = size_of(arguments, "rows", 1);
  args.width = size_of(arguments, "width", 1);
  args.row = size_of(arguments, "row", args.width);
  args.run = size_of(arguments, "run", 1);
  require(args.outputs <= kDenseConvBlock, "outputs must fit a block");
  require(args.run <= kDenseConvMostRun && args.run <= args.width, "run must fit a row");
  require(weights.shape[0] == taps.size() && weights.shape[1] == kDenseConvBlock,
          "weights must be (taps, block)");
  const std::int64_t reach = (args.rows - 1) * args.row_step + (args.width - 1) * args.step;
  for (const std::int32_t tap : taps.data) {
    require(tap >= 0 && tap + reach < input.size(), "taps must lie in the input");
  }
  const std::int64_t pixels = args.rows * args.row;
  std::vector<std::uint32_t> mask(static_cast<std::size_t>(pixels / 32 + 2));
  for (std::int64_t p = 0; p < pixels; ++p) {
    if (p % args.row < args.width) mask[p / 32] |= std::uint32_t{1} << (p % 32);
  }
  std::vector<float> sums(static_cast<std::size_t>(
      dense_conv_slots(args.rows, args.width, args.run) * kDenseConvBlock));
  const bool biased = arguments.has("bias");
  const auto bias = biased ? arguments.array<float>("bias", 1) : Array<float>{};
  require(!biased || bias.size() == args.outputs, "bias must have a value per output");
  const bool added = arguments.has("residual");
  auto residual = added ? arguments.array<float>("residual", 2) : Array<float>{};
  require(!added || (residual.shape[0] == args.outputs && residual.shape[1] == pixels),
          "residual must have the output's shape");
  residual.data.resize(residual.data.size() + kPixelBlock);  // a vector is read to its end
  Output<float> output(args.outputs * pixels);
  args.input = input.data.data();
  args.taps = taps.data.data();
  args.tap_count = taps.size();
  args.weights = weights.data.data();
  args.sums = sums.data();
  args.output = output.data();
  args.output_plane = pixels;
  args.bias = biased ? bias.data.data() : nullptr;
  args.residual = added ? residual.data.data() : nullptr;
  args.store.residual_plane = pixels;
  args.store.activation.kind = activation_kind("relu");
  args.store.mask = args.row == args.width ? nullptr : mask.data();
  args.store.pixels = pixels;
  niwaki::run_kernel<DenseConvF32>(entry, args, run);
  return output.to_numpy({args.outputs, pixels});
}

// Planes (channels, height, input_row) whose pads are there; ReLU, bias and residual if given.
nb::object depthwise(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  auto input = arguments.array<float>("input", 3);
  const auto weights = arguments.array<float>("weights", 3);
  DepthwiseF32Args args = {};
  args.window = arguments.window();
  args.rows = size_of(arguments, "rows", 1);
  args.width = size_of(arguments, "width", 1);
  args.row = size_of(arguments, "row", args.width);
  args.per_input = size_of(arguments, "per_input", 1);
  args.outputs = weights.shape[0];
  const Window& w = args.window;
  require(w.stride_w <= 2 && weights.shape[1] == w.kernel_h && weights.shape[2] == w.kernel_w,
          "weights must be (outputs, kernel_h, kernel_w)");
  require(args.outputs <= input.shape[0] * args.per_input, "every output must have an input");
  require((args.rows - 1) * w.stride_h + (w.kernel_h - 1) * w.dilation_h < input.shape[1] &&
              (args.width - 1) * w.stride_w + (w.kernel_w - 1) * w.dilation_w < input.shape[2],
          "taps must lie in the input");
  input.data.resize(input.data.size() + kDepthwiseReach, NAN);
  const bool biased = arguments.has("bias");
  const auto bias = biased ? arguments.array<float>("bias", 1) : Array<float>{};
  require(!biased || bias.size() == args.outputs, "bias must have a value per output");
  const bool added = arguments.has("residual");
  auto residual = added ? arguments.array<float>("residual", 3) : Array<float>{};
  require(!added || (residual.shape[0] == args.outputs && residual.shape[1] == args.rows &&
                     residual.shape[2] >= args.width),
          "residual must have the output's rows");
  residual.data.resize(residual.data.size() + kPixelBlock);  // a vector is read to its end
  Output<float> output(args.outputs * args.rows * args.row);
  args.input = input.data.data();
  args.input_plane = input.shape[1] * input.shape[2];
  args.input_row = input.shape[2];
  args.weights = weights.data.data();
  args.output = output.data();
  args.output_plane = args.rows * args.row;
  args.bias = biased ? bias.data.data() : nullptr;
  args.residual = added ? residual.data.data() : nullptr;
  if (added) {
    args.residual_plane = residual.shape[1] * residual.shape[2];
    args.residual_row = residual.shape[2];
  }
  args.activation.kind = activation_kind("relu");
  niwaki::run_kernel<DepthwiseF32>(entry, args, run);
  return output.to_numpy({args.outputs, args.rows, args.row});
}

// A compact image (channels, height, width) and filters (outputs, channels, 3, 3), pads of 1; the
// tiles' rows in chunks of `rows`. ReLU, bias and residual if given.
nb::object winograd(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<float>("input", 3);
  const auto filters = arguments.array<float>("weights", 4);
  WinogradF32Args args = {};
  args.tile = size_of(arguments, "tile", 2);
  const std::int64_t outputs = filters.shape[0];
  const std::int64_t channels = input.shape[0];
  const std::int64_t height = input.shape[1];
  const std::int64_t width = input.shape[2];
  require(args.tile == 2 || args.tile == 4, "tile must be 2 or 4");
  require(filters.shape[1] == channels && filters.shape[2] == 3 && filters.shape[3] == 3,
          "weights must be (outputs, channels, 3, 3)");
  const std::int64_t step = winograd_blocks(outputs) * channels * kWinogradBlock;
  std::vector<float> weights(static_cast<std::size_t>((args.tile + 2) * (args.tile + 2) * step));
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t at =
          (o / kWinogradBlock * channels + c) * kWinogradBlock + o % kWinogradBlock;
      winograd_filter(args.tile, &filters.data[static_cast<std::size_t>((o * channels + c) * 9)],
                      &weights[static_cast<std::size_t>(at)], step);
    }
  }
  const std::int64_t pixels = height * width;
  const bool biased = arguments.has("bias");
  const auto bias = biased ? arguments.array<float>("bias", 1) : Array<float>{};
  require(!biased || bias.size() == outputs, "bias must have a value per output");
  const bool added = arguments.has("residual");
  auto residual = added ? arguments.array<float>("residual", 2) : Array<float>{};
  require(!added || (residual.shape[0] == outputs && residual.shape[1] == pixels),
          "residual must have the output's shape");
  residual.data.resize(residual.data.size() + kPixelBlock);  // a vector is read to its end
  const std::int64_t all = winograd_tiles(args.tile, height);
  const std::int64_t rows = size_of(arguments, "rows", 1);
  args.in = compact_planes(channels, height, width);
  args.out = compact_planes(outputs, height, width);
  std::vector<float> scratch(
      static_cast<std::size_t>(winograd_scratch(args.tile, args.in, args.out, rows).total()));
  Output<float> output(outputs * pixels);
  args.input = input.data.data();
  args.pad_top = args.pad_left = 1;
  args.weights = weights.data();
  args.output = output.data();
  args.bias = biased ? bias.data.data() : nullptr;
  args.residual = added ? residual.data.data() : nullptr;
  args.store.residual_plane = pixels;
  args.store.activation.kind = activation_kind("relu");
  args.scratch = scratch.data();
  run([&] {
    for (std::int64_t first = 0; first < all; first += rows) {
      args.first_tile_row = first;
      args.tile_rows = std::min(rows, all - first);
      Kernel<WinogradF32>{&entry}(args);
    }
  });
  return output.to_numpy({outputs, pixels});
}

}  // namespace

void add_dense_adapters(Adapters& adapters) {
  adapters[DenseConvF32::name] = dense_conv;
  adapters[DepthwiseF32::name] = depthwise;
  adapters[WinogradF32::name] = winograd;
}

}  // namespace niwaki
