// Elementwise layers and pools on padded planes.
#include "planes_f32/planes_f32.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

// Planes with zeros in their pad columns; NaN behind them, which no result may hold.
struct Map {
  Planes planes;
  std::vector<float> data;

  Map() = default;
  Map(Random& random, std::int64_t channels, std::int64_t height, std::int64_t width,
      std::int64_t row)
      : planes(make_planes(channels, height, width, row, 0)),
        data(static_cast<std::size_t>(elements_from_origin(planes, 1)),
             std::numeric_limits<float>::quiet_NaN()) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < planes.pixels(); ++p) {
        data[static_cast<std::size_t>(c * planes.plane + p)] =
            p % row < width ? 4 * random.real() : 0;
      }
    }
    data.shrink_to_fit();
  }
};

struct MapProblem : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  Map a, b;
  std::vector<float> scale, bias;
  std::vector<std::uint32_t> mask;
  Activation activation;

  explicit MapProblem(Random& random) {
    const std::int64_t channels = random.integer(1, 4);
    const std::int64_t height = draw_side(random);
    const std::int64_t width = draw_side(random);
    const std::int64_t row = width + random.integer(0, 2);
    a = Map(random, channels, height, width, row);
    if (random.chance(0.5)) b = Map(random, channels, height, width, row);
    if (random.chance(0.5)) scale = reals(random, channels);
    if (random.chance(0.5)) bias = reals(random, channels);
    if (row > width) mask = pixel_mask(a.planes);
    activation.kind = static_cast<ActivationKind>(
        random.integer(0, static_cast<std::int64_t>(ActivationKind::tanh)));
    activation.alpha = 0.2F;
    activation.beta = 0.5F;
    activation.lo = -0.5F;
    activation.hi = 6;
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>(a.planes.channels * a.planes.plane);
  }
  void run(const KernelEntry& kernel, float* output) const {
    MapPlanesF32Args args{};
    args.a = a.data.data();
    args.b = b.data.empty() ? nullptr : b.data.data();
    args.a_plane = a.planes.plane;
    args.b_plane = b.planes.plane;
    args.scale = scale.empty() ? nullptr : scale.data();
    args.scale_stride = 1;
    args.bias = bias.empty() ? nullptr : bias.data();
    args.activation = activation;
    args.mask = mask.empty() ? nullptr : mask.data();
    args.channels = a.planes.channels;
    args.pixels = a.planes.pixels();
    args.output = output;
    args.output_plane = a.planes.plane;
    call<MapPlanesF32>(kernel, args);
  }
  // No activation steepens by more than 1.1; the 1 covers those that end between -1 and 1.
  void make_absolute() {
    take_absolute(a.data);
    take_absolute(b.data);
    take_absolute(scale);
    bias.resize(static_cast<std::size_t>(a.planes.channels));
    take_absolute(bias);
    for (float& x : bias) x += 1;
    activation.kind = ActivationKind::none;
  }
};

struct PoolProblem : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  Map input;
  PoolPlanesF32Args args{};
  mutable std::vector<float> scratch;

  explicit PoolProblem(Random& random) {
    Window& w = args.window;
    w = draw_window(random, 4, false);
    if (random.chance(0.4)) w = {3, 3, 2, 2, 1, 1, 1, 1, 1, 1};
    for (std::int64_t* pad : {&w.pad_top, &w.pad_bottom}) *pad = std::min(*pad, w.kernel_h - 1);
    for (std::int64_t* pad : {&w.pad_left, &w.pad_right}) *pad = std::min(*pad, w.kernel_w - 1);
    const std::int64_t height = std::max(draw_side(random), w.kernel_h);
    const std::int64_t width = std::max(draw_side(random), w.kernel_w);
    if (random.chance(0.2)) w = {height, width};
    const std::int64_t channels = random.integer(1, 3);
    input = Map(random, channels, height, width, width + random.integer(0, 2));
    args.in = input.planes;
    args.average = random.chance(0.5);
    args.count_include_pad = random.chance(0.5);
    args.channels = channels;
    const std::int64_t out_height =
        (height + w.pad_top + w.pad_bottom - w.kernel_h) / w.stride_h + 1;
    const std::int64_t out_width = (width + w.pad_left + w.pad_right - w.kernel_w) / w.stride_w + 1;
    args.out = make_planes(channels, out_height, out_width, out_width + random.integer(0, 2), 0);
  }
  std::size_t outputs() const { return static_cast<std::size_t>(args.channels * args.out.plane); }
  void run(const KernelEntry& kernel, float* output) const {
    scratch.assign(static_cast<std::size_t>(pool_scratch(args.in, args.out, args.window)),
                   std::numeric_limits<float>::quiet_NaN());
    PoolPlanesF32Args call_args = args;
    call_args.input = input.data.data();
    call_args.output = output;
    call_args.scratch = scratch.data();
    call<PoolPlanesF32>(kernel, call_args);
  }
  void make_absolute() { take_absolute(input.data); }
};

NIWAKI_CHECK(MapPlanesF32, MapProblem)
NIWAKI_CHECK(PoolPlanesF32, PoolProblem)

}  // namespace
}  // namespace niwaki::check
