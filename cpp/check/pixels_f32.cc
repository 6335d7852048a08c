// Float maps channels last.
#include "pixels_f32/pixels_f32.h"

#include "check/check.h"
#include "check/window.h"
#include "threshold/threshold.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct TurnProblem : Problem {
  using Output = float;
  Planes planes;
  std::vector<float> input;

  explicit TurnProblem(Random& random) {
    const std::int64_t width = draw_side(random);
    planes = make_planes(random.integer(1, 70), random.integer(1, 4), width,
                         width + random.integer(0, 2), 0);
  }
  std::int64_t pixels() const { return planes.height * planes.width; }
};

struct ToPixelsProblem : TurnProblem {
  explicit ToPixelsProblem(Random& random) : TurnProblem(random) {
    input = reals(random, (planes.channels - 1) * planes.plane + planes.pixels());
  }
  std::size_t outputs() const { return static_cast<std::size_t>(pixels() * planes.channels); }
  void run(const KernelEntry& kernel, float* output) const {
    call<PixelsOfPlanesF32>(kernel, {input.data(), planes, output});
  }
};

struct ToPlanesProblem : TurnProblem {
  explicit ToPlanesProblem(Random& random) : TurnProblem(random) {
    input = reals(random, pixels() * planes.channels);
  }
  std::size_t outputs() const { return static_cast<std::size_t>(planes.image); }
  void run(const KernelEntry& kernel, float* output) const {
    call<PlanesOfPixelsF32>(kernel, {input.data(), planes, output});
  }
};

struct ThresholdProblem : Problem {
  using Output = std::uint64_t;
  std::int64_t channels, pixels;
  std::vector<float> input, level;
  std::vector<std::int8_t> sign;

  explicit ThresholdProblem(Random& random) : channels(random.awkward()), pixels(random.awkward()) {
    // Few values, so that many are equal to a level.
    for (std::int64_t c = 0; c < channels; ++c) {
      sign.push_back(random.chance(0.5) ? -1 : 1);
      level.push_back(random.chance(0.1) ? INFINITY : static_cast<float>(random.integer(-3, 3)));
    }
    for (std::int64_t k = 0; k < channels * pixels; ++k) {
      input.push_back(random.chance(0.05) ? NAN : static_cast<float>(random.integer(-3, 3)));
    }
    input.shrink_to_fit();
  }
  std::size_t outputs() const { return static_cast<std::size_t>(pixels * ((channels + 63) / 64)); }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<ThresholdPixelsF32>(kernel,
                             {input.data(), channels, pixels, sign.data(), level.data(), output});
  }
};

struct AverageProblem : Problem {
  using Output = float;
  std::int64_t channels, height, width, out_height, out_width;
  Window window;
  bool count_include_pad;
  std::vector<float> input;

  explicit AverageProblem(Random& random)
      : channels(random.integer(1, 70)),
        height(draw_side(random)),
        width(draw_side(random)),
        window(draw_window(random, 4, false)),
        count_include_pad(random.chance(0.5)) {
    // Every window touches the image.
    window.kernel_h = std::min(window.kernel_h, height);
    window.kernel_w = std::min(window.kernel_w, width);
    for (auto* pad : {&window.pad_top, &window.pad_bottom})
      *pad = std::min(*pad, window.kernel_h - 1);
    for (auto* pad : {&window.pad_left, &window.pad_right})
      *pad = std::min(*pad, window.kernel_w - 1);
    out_height =
        (height + window.pad_top + window.pad_bottom - window.kernel_h) / window.stride_h + 1;
    out_width =
        (width + window.pad_left + window.pad_right - window.kernel_w) / window.stride_w + 1;
    input = reals(random, channels * height * width);
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>(channels * out_height * out_width);
  }
  void run(const KernelEntry& kernel, float* output) const {
    call<AveragePixelsF32>(kernel, {input.data(), channels, height, width, window, out_height,
                                    out_width, count_include_pad, output});
  }
};

struct PlanesThresholdProblem : TurnProblem {
  using Output = std::uint64_t;
  std::vector<float> level;
  std::vector<std::int8_t> sign;

  explicit PlanesThresholdProblem(Random& random) : TurnProblem(random) {
    input = reals(random, (planes.channels - 1) * planes.plane + planes.pixels());
    for (std::int64_t c = 0; c < planes.channels; ++c) {
      sign.push_back(random.chance(0.5) ? -1 : 1);
      level.push_back(random.chance(0.5) ? input[static_cast<std::size_t>(c * planes.plane)] : 0);
    }
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>(pixels() * ((planes.channels + 63) / 64));
  }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<ThresholdPlanesF32>(kernel, {input.data(), planes, sign.data(), level.data(), output});
  }
};

NIWAKI_CHECK(ThresholdPlanesF32, PlanesThresholdProblem)
NIWAKI_CHECK(PixelsOfPlanesF32, ToPixelsProblem)
NIWAKI_CHECK(PlanesOfPixelsF32, ToPlanesProblem)
NIWAKI_CHECK(ThresholdPixelsF32, ThresholdProblem)
NIWAKI_CHECK(AveragePixelsF32, AverageProblem)

}  // namespace
}  // namespace niwaki::check
