// WinogradPhasesF32: compact planes, any window of up to 5 taps a phase, the rows of tiles in
// chunks.
#include "winograd_phases_f32/winograd_phases_f32.h"

#include "check/check.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct WinogradPhasesProblem : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  Window window;
  std::int64_t channels, count, height, width, chunk;
  PlaneLayout layout;
  std::vector<float> input, weights, bias, residual;

  explicit WinogradPhasesProblem(Random& random)
      : window(draw(random)),
        channels(random.pick({1, 2, 3, 5})),
        count(random.pick({1, 3, 4, 8, 9, 17})),
        height(window.kernel_h + random.integer(0, 20)),
        width(window.kernel_w + random.pick({0, 3, 20, 37, 70})),
        chunk(random.integer(1, 4)),
        layout(make_plane_layout(channels, height, width, window)),
        input(reals(random, channels * height * width)),
        weights(static_cast<std::size_t>(count * sizes().weights_of_output())),
        bias(reals(random, count)),
        residual(reals(random, count * pixels() + kPixelBlock)) {
    for (std::int64_t o = 0; o < count; ++o) {
      const std::vector<float> filters =
          reals(random, channels * window.kernel_h * window.kernel_w);
      winograd_phases_filter(sizes(), channels, window.kernel_h, window.kernel_w, filters.data(),
                             weights.data() + o * sizes().weights_of_output());
    }
  }
  static Window draw(Random& random) {
    Window w;
    w.stride_h = w.stride_w = random.pick({1, 2, 2, 4});
    if (random.chance(0.3)) w.stride_w = random.integer(1, 3);
    const std::int64_t taps = random.integer(2, 5);  // along one side; the other may have fewer
    w.kernel_h = random.integer((taps - 1) * w.stride_h + 1, taps * w.stride_h);
    w.kernel_w = random.integer(1, taps * w.stride_w);
    w.pad_top = random.integer(0, 3);
    w.pad_left = random.integer(0, 3);
    w.pad_bottom = random.integer(0, 3);
    w.pad_right = random.integer(0, 3);
    return w;
  }
  Planes in() const { return compact_planes(channels, height, width); }
  Planes out() const { return compact_planes(count, layout.out_height, layout.out_width); }
  WinogradPhases sizes() const {
    return winograd_phases_of(winograd_phases_side(window), in(), out(), window.stride_h,
                              window.stride_w);
  }
  std::int64_t pixels() const { return layout.out_height * layout.out_width; }
  std::size_t outputs() const { return static_cast<std::size_t>(count * pixels()); }
  void run(const KernelEntry& kernel, float* output) const {
    WinogradPhasesF32Args args{};
    args.side = winograd_phases_side(window);
    args.input = input.data();
    args.in = in();
    args.out = out();
    args.stride_h = window.stride_h;
    args.stride_w = window.stride_w;
    args.pad_top = window.pad_top;
    args.pad_left = window.pad_left;
    args.weights = weights.data();
    args.output = output;
    args.bias = bias.data();
    args.residual = residual.data();
    args.store.residual_plane = pixels();
    std::vector<float> scratch(static_cast<std::size_t>(sizes().scratch(chunk)));
    args.scratch = scratch.data();
    const std::int64_t all = winograd_phases_rows(args.out);
    for (args.first_tile_row = 0; args.first_tile_row < all; args.first_tile_row += chunk) {
      args.tile_rows = std::min(chunk, all - args.first_tile_row);
      call<WinogradPhasesF32>(kernel, args);
    }
  }
  // As in winograd_f32.cc: a bias gives the size of the terms, of a plain sum with a factor for the
  // transforms' own growth.
  void make_absolute() {
    std::fill(weights.begin(), weights.end(), 0.0F);
    std::fill(residual.begin(), residual.end(), 0.0F);
    std::fill(bias.begin(), bias.end(),
              40.0F * static_cast<float>(window.kernel_h * window.kernel_w * channels + 2));
  }
};

NIWAKI_CHECK(WinogradPhasesF32, WinogradPhasesProblem)

}  // namespace
}  // namespace niwaki::check
