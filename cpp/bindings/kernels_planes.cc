// Adapters of the elementwise layers and pools on padded planes.
#include <limits>
#include <memory>

#include "bindings/kernel_arguments.h"
#include "planes_f32/planes_f32.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A (C, H, W) array in rows of `row` elements, garbage behind the planes.
struct Padded {
  Padded(const Array<float>& x, std::int64_t row)
      : planes(make_planes(x.shape[0], x.shape[1], x.shape[2], row, 0)),
        data(static_cast<std::size_t>(elements_from_origin(planes, 1)), kNan) {
    const Planes compact = compact_planes(x.shape[0], x.shape[1], x.shape[2]);
    for (std::int64_t c = 0; c < planes.channels; ++c) {
      std::fill_n(data.begin() + c * planes.plane, planes.pixels(), 0.0F);
    }
    copy_planes(compact, x.data.data(), planes, data.data(), 1);
  }
  Planes planes;
  std::vector<float> data;
};

std::int64_t row_of(const Arguments& arguments, const char* key, std::int64_t width) {
  const std::int64_t row = width + arguments.integer(key);
  require(row >= width && row <= width + 64, "extra columns must be in [0, 64]");
  return row;
}

nb::object map_planes(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto a = arguments.array<float>("a", 3);
  const std::int64_t row = row_of(arguments, "extra", a.shape[2]);
  const Padded first(a, row);
  MapPlanesF32Args args{};
  args.a = first.data.data();
  args.a_plane = first.planes.plane;
  Array<float> scale, bias;
  std::unique_ptr<Padded> second;
  if (arguments.has("b")) {
    const auto b = arguments.array<float>("b", 3);
    require(b.shape == a.shape, "a and b must have one shape");
    second = std::make_unique<Padded>(b, row);
    args.b = second->data.data();
    args.b_plane = second->planes.plane;
  }
  if (arguments.has("scale")) {
    scale = arguments.array<float>("scale", 1);
    require(scale.size() == a.shape[0], "scale must have one value per channel");
    args.scale = scale.data.data();
    args.scale_stride = 1;
  }
  if (arguments.has("bias")) {
    bias = arguments.array<float>("bias", 1);
    require(bias.size() == a.shape[0], "bias must have one value per channel");
    args.bias = bias.data.data();
  }
  args.activation = {
      activation_kind(nb::cast<std::string>(arguments.object("activation"))),
      static_cast<float>(arguments.number("alpha")), static_cast<float>(arguments.number("beta")),
      static_cast<float>(arguments.number("lo")), static_cast<float>(arguments.number("hi"))};
  const auto mask = pixel_mask(first.planes);
  if (row > a.shape[2]) args.mask = mask.data();
  args.channels = a.shape[0];
  args.pixels = first.planes.pixels();
  args.output_plane = args.pixels;
  Output<float> output(args.channels * args.pixels);
  args.output = output.data();
  niwaki::run_kernel<MapPlanesF32>(entry, args, run);
  return output.to_numpy({a.shape[0], a.shape[1], row});
}

nb::object pool_planes(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 3);
  const Padded input(x, row_of(arguments, "extra", x.shape[2]));
  PoolPlanesF32Args args{};
  args.input = input.data.data();
  args.in = input.planes;
  args.window = arguments.window();
  args.average = arguments.integer("average") != 0;
  args.count_include_pad = arguments.integer("count_include_pad") != 0;
  args.channels = x.shape[0];
  const std::int64_t height = arguments.integer("out_height");
  const std::int64_t width = arguments.integer("out_width");
  const Window& w = args.window;
  require(height >= 1 && width >= 1 && (height - 1) * w.stride_h < w.pad_top + x.shape[1] &&
              (width - 1) * w.stride_w < w.pad_left + x.shape[2] && w.pad_top < w.kernel_h &&
              w.pad_left < w.kernel_w,
          "every window must touch the image");
  const std::int64_t row = row_of(arguments, "out_extra", width);
  args.out = compact_planes(x.shape[0], height, row);
  args.out.width = width;
  Output<float> output(x.shape[0] * height * row);
  args.output = output.data();
  std::vector<float> scratch(static_cast<std::size_t>(pool_scratch(args.in, args.out, w)), kNan);
  args.scratch = scratch.data();
  niwaki::run_kernel<PoolPlanesF32>(entry, args, run);
  return output.to_numpy({x.shape[0], height, row});
}

}  // namespace

void add_planes_adapters(Adapters& adapters) {
  adapters[MapPlanesF32::name] = map_planes;
  adapters[PoolPlanesF32::name] = pool_planes;
}

}  // namespace niwaki
