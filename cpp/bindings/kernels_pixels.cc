// Adapters of pixels_f32 (float maps channels last) and of thresholds on planes.
#include "bindings/kernel_arguments.h"
#include "pixels_f32/pixels_f32.h"
#include "threshold/threshold.h"

namespace niwaki {
namespace {

using namespace kernels;

// (C, H, W) planes in rows of `extra` more elements.
Planes planes_of(const Arguments& arguments, std::int64_t c, std::int64_t h, std::int64_t w) {
  const std::int64_t extra = arguments.integer("extra");
  require(extra >= 0 && extra <= 64, "extra columns must be in [0, 64]");
  return make_planes(c, h, w, w + extra, 0);
}

// x (C, H, W) -> (H, W, C).
nb::object pixels_of_planes(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 3);
  const Planes planes = planes_of(arguments, x.shape[0], x.shape[1], x.shape[2]);
  std::vector<float> padded(static_cast<std::size_t>(planes.image), -7.0F);
  copy_planes(compact_planes(x.shape[0], x.shape[1], x.shape[2]), x.data.data(), planes,
              padded.data(), 1);
  Output<float> output(x.size());
  niwaki::run_kernel<PixelsOfPlanesF32>(entry, {padded.data(), planes, output.data()}, run);
  return output.to_numpy({x.shape[1], x.shape[2], x.shape[0]});
}

// x (H, W, C) -> (C, H, row).
nb::object planes_of_pixels(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 3);
  Planes planes = planes_of(arguments, x.shape[2], x.shape[0], x.shape[1]);
  planes.plane = planes.pixels();  // close together: a write behind a channel would show
  planes.image = planes.channels * planes.plane;
  Output<float> output(planes.image);
  niwaki::run_kernel<PlanesOfPixelsF32>(entry, {x.data.data(), planes, output.data()}, run);
  return output.to_numpy({planes.channels, planes.height, planes.row});
}

nb::object threshold(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 2);  // (pixels, C)
  const auto sign = arguments.array<std::int8_t>("sign", 1);
  const auto level = arguments.array<float>("level", 1);
  const std::int64_t channels = x.shape[1];
  require(sign.size() == channels && level.size() == channels,
          "sign and level must have one value per channel");
  const std::int64_t words = (channels + 63) / 64;
  Output<std::uint64_t> output(x.shape[0] * words);
  niwaki::run_kernel<ThresholdPixelsF32>(
      entry,
      {x.data.data(), channels, x.shape[0], sign.data.data(), level.data.data(), output.data()},
      run);
  return output.to_numpy({x.shape[0], words});
}

// x (C, H, W), on planes whose pad columns hold numbers: they must not become bits.
nb::object threshold_planes(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 3);
  const auto sign = arguments.array<std::int8_t>("sign", 1);
  const auto level = arguments.array<float>("level", 1);
  const Planes planes = planes_of(arguments, x.shape[0], x.shape[1], x.shape[2]);
  require(sign.size() == planes.channels && level.size() == planes.channels,
          "sign and level must have one value per channel");
  std::vector<float> padded(static_cast<std::size_t>(elements_from_origin(planes, 1)), 1e9F);
  copy_planes(compact_planes(x.shape[0], x.shape[1], x.shape[2]), x.data.data(), planes,
              padded.data(), 1);
  const std::int64_t words = (planes.channels + 63) / 64;
  Output<std::uint64_t> output(planes.height * planes.width * words);
  niwaki::run_kernel<ThresholdPlanesF32>(
      entry, {padded.data(), planes, sign.data.data(), level.data.data(), output.data()}, run);
  return output.to_numpy({planes.height, planes.width, words});
}

nb::object average(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 3);  // (H, W, C)
  const std::int64_t height = arguments.integer("out_height");
  const std::int64_t width = arguments.integer("out_width");
  Output<float> output(height * width * x.shape[2]);
  niwaki::run_kernel<AveragePixelsF32>(
      entry,
      {x.data.data(), x.shape[2], x.shape[0], x.shape[1], arguments.window(), height, width,
       arguments.integer("count_include_pad") != 0, output.data()},
      run);
  return output.to_numpy({height, width, x.shape[2]});
}

}  // namespace

void add_pixels_adapters(Adapters& adapters) {
  adapters[PixelsOfPlanesF32::name] = pixels_of_planes;
  adapters[PlanesOfPixelsF32::name] = planes_of_pixels;
  adapters[ThresholdPixelsF32::name] = threshold;
  adapters[AveragePixelsF32::name] = average;
  adapters[ThresholdPlanesF32::name] = threshold_planes;
}

}  // namespace niwaki
