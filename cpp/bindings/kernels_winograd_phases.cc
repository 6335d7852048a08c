// Adapter of the dense float convolution by Winograd on phases.
#include "bindings/kernel_arguments.h"
#include "common/plane_layout.h"
#include "winograd_phases_f32/winograd_phases_f32.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr std::int64_t kMost = 1 << 20;  // of any size: products stay far from overflow

// A compact image (channels, height, width) and filters (outputs, channels, kernel_h, kernel_w), a
// window without dilation; rows of tiles in chunks of `rows`. ReLU, bias and residual if given.
nb::object winograd_phases(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<float>("input", 3);
  const auto filters = arguments.array<float>("weights", 4);
  const Window w = arguments.window();
  const std::int64_t outputs = filters.shape[0];
  const std::int64_t channels = input.shape[0];
  require(filters.shape[1] == channels && filters.shape[2] == w.kernel_h &&
              filters.shape[3] == w.kernel_w,
          "weights must be (outputs, channels, kernel_h, kernel_w)");
  require(w.dilation_h == 1 && w.dilation_w == 1, "dilations must be 1");
  const std::int64_t side = winograd_phases_side(w);
  require(side >= kLeastPhaseSide && side <= kMostPhaseSide,
          "a phase's filter must have 2 to 5 taps along its longer side");
  const std::int64_t rows = arguments.integer("rows");
  require(rows >= 1 && rows <= kMost, "rows must lie in its range");
  const PlaneLayout layout = make_plane_layout(channels, input.shape[1], input.shape[2], w);
  require(layout.out_height >= 1 && layout.out_width >= 1, "there must be an output");
  WinogradPhasesF32Args args = {};
  args.side = side;
  args.input = input.data.data();
  args.in = compact_planes(channels, input.shape[1], input.shape[2]);
  args.out = compact_planes(outputs, layout.out_height, layout.out_width);
  args.stride_h = w.stride_h;
  args.stride_w = w.stride_w;
  args.pad_top = w.pad_top;
  args.pad_left = w.pad_left;
  const WinogradPhases sizes = winograd_phases_of(side, args.in, args.out, w.stride_h, w.stride_w);
  std::vector<float> weights(static_cast<std::size_t>(outputs * sizes.weights_of_output()));
  for (std::int64_t o = 0; o < outputs; ++o) {
    winograd_phases_filter(sizes, channels, w.kernel_h, w.kernel_w,
                           filters.data.data() + o * channels * w.kernel_h * w.kernel_w,
                           weights.data() + o * sizes.weights_of_output());
  }
  const bool biased = arguments.has("bias");
  const auto bias = biased ? arguments.array<float>("bias", 1) : Array<float>{};
  require(!biased || bias.size() == outputs, "bias must have a value per output");
  const std::int64_t pixels = args.out.pixels();
  const bool added = arguments.has("residual");
  auto residual = added ? arguments.array<float>("residual", 2) : Array<float>{};
  require(!added || (residual.shape[0] == outputs && residual.shape[1] == pixels),
          "residual must have the output's shape");
  residual.data.resize(residual.data.size() + kPixelBlock);  // a vector is read to its end
  std::vector<float> scratch(static_cast<std::size_t>(sizes.scratch(rows)));
  Output<float> output(outputs * pixels);
  args.weights = weights.data();
  args.output = output.data();
  args.bias = biased ? bias.data.data() : nullptr;
  args.residual = added ? residual.data.data() : nullptr;
  args.store.residual_plane = pixels;
  args.store.activation.kind = activation_kind("relu");
  args.scratch = scratch.data();
  const std::int64_t all = winograd_phases_rows(args.out);
  run([&] {
    for (std::int64_t first = 0; first < all; first += rows) {
      args.first_tile_row = first;
      args.tile_rows = std::min(rows, all - first);
      Kernel<WinogradPhasesF32>{&entry}(args);
    }
  });
  return output.to_numpy({outputs, pixels});
}

}  // namespace

void add_winograd_phases_adapters(Adapters& adapters) {
  adapters[WinogradPhasesF32::name] = winograd_phases;
}

}  // namespace niwaki
