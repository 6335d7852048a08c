// The ops of slices_b1.
#include "slices_b1/slices_b1.h"

#include <bit>

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct SlicesProblem : Problem {
  using Output = std::uint64_t;
  SliceGeometry geometry{};
  std::int64_t height = 0;

  explicit SlicesProblem(Random& random) {
    const Window w = draw_window(random, 3);
    BinaryWindow& window = geometry.window;
    height = random.integer(1, 9);
    window.padded_w = random.integer(1, 40);
    window.words = random.integer(1, 2);
    window.kernel_h = w.kernel_h;
    window.kernel_w = w.kernel_w;
    window.stride_h = random.chance(0.5) ? 1 : w.stride_h;
    window.stride_w = random.chance(0.5) ? 1 : w.stride_w;
    window.dilation_h = w.dilation_h;
    window.dilation_w = w.dilation_w;
    window.out_height = places(height, w.kernel_h, window.stride_h, w.dilation_h);
    window.out_width = places(window.padded_w, w.kernel_w, window.stride_w, w.dilation_w);
    geometry.channels = 64 * window.words - random.integer(0, 63);
    geometry.row = random.chance(0.5) ? window.padded_w : window.out_width + random.integer(0, 2);
    geometry.row = std::max<std::int64_t>(geometry.row, 1);
    geometry.slice_words = random.pick({4, 8});
  }
  static std::int64_t places(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                             std::int64_t dilation) {
    const std::int64_t room = size - (kernel - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
  std::vector<std::uint16_t> all_inputs() const {
    std::vector<std::uint16_t> all;
    for (std::int64_t q = 0; q < geometry.inputs(); ++q) {
      all.push_back(static_cast<std::uint16_t>(q * geometry.slice_words));
    }
    return all;
  }
};

struct BaseProblem : SlicesProblem {
  std::vector<std::uint64_t> input;

  explicit BaseProblem(Random& random) : SlicesProblem(random) {
    geometry.window.stride_h = geometry.window.stride_w = 1;
    geometry.window.out_height =
        places(height, geometry.window.kernel_h, 1, geometry.window.dilation_h);
    input = words(random, height * geometry.window.padded_w * geometry.window.words);
    if (geometry.window.out_height == 0) geometry.window.kernel_h = 1;  // no line is there
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>(geometry.channels * geometry.base_words());
  }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<SliceBase>(kernel, {input.data(), geometry, output});
  }
};

struct ThresholdProblem : Problem {
  using Output = std::uint64_t;
  Planes planes;
  std::vector<float> input, level;
  std::vector<std::int8_t> sign;
  std::vector<std::uint32_t> mask;
  std::int64_t first_word, count;

  explicit ThresholdProblem(Random& random) {
    const std::int64_t width = random.integer(1, 40);
    planes = make_planes(random.integer(1, 9), random.integer(1, 9), width,
                         width + random.integer(0, 3), random.integer(0, 1));
    input = reals(random, elements_before(planes) + elements_from_origin(planes, 1));
    for (float& x : input) x = random.chance(0.1) ? NAN : random.chance(0.2) ? 0.25F : x;
    for (std::int64_t c = 0; c < planes.channels; ++c) {
      sign.push_back(random.chance(0.5) ? 1 : -1);
      level.push_back(random.chance(0.5) ? 0.25F : random.real());
    }
    mask = pixel_mask(planes);
    first_word = random.integer(0, 2);
    count = first_word + (planes.pixels() + 63) / 64 + random.integer(0, 2);
  }
  std::size_t outputs() const { return static_cast<std::size_t>(planes.channels * count); }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<SliceThreshold>(kernel, {input.data() + elements_before(planes), planes, mask.data(),
                                  sign.data(), level.data(), first_word, count, output});
  }
};

struct BitsProblem : SlicesProblem {
  std::vector<std::uint64_t> base, input;
  std::int64_t lead = 0, tile = 0;

  explicit BitsProblem(Random& random) : SlicesProblem(random) {
    const BinaryWindow& w = geometry.window;
    if (random.chance(0.5)) {
      geometry.window.stride_h = geometry.window.stride_w = 1;
      lead = random.integer(0, 63);
      base = words(random, geometry.channels * geometry.base_words());
    } else {
      input = words(random, height * w.padded_w * w.words);
    }
    tile = std::max<std::int64_t>(random.integer(0, geometry.tiles() - 1), 0);
  }
  std::size_t outputs() const {
    return static_cast<std::size_t>(geometry.tiles() == 0 ? 0 : geometry.words());
  }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    if (geometry.tiles() == 0) return;
    call<SliceBits>(
        kernel, {base.empty() ? nullptr : base.data(), lead, input.data(), geometry, tile, output});
  }
};

struct SliceOnesProblem : SlicesProblem {
  using Output = std::int32_t;
  std::vector<std::uint64_t> slices;
  std::vector<std::uint16_t> inputs;

  explicit SliceOnesProblem(Random& random)
      : SlicesProblem(random), slices(words(random, geometry.words())), inputs(all_inputs()) {}
  std::size_t outputs() const { return static_cast<std::size_t>(geometry.positions()); }
  void run(const KernelEntry& kernel, std::int32_t* output) const {
    for (std::int64_t tile = 0; tile < geometry.tiles(); ++tile) {
      call<SliceOnes>(kernel, {slices.data(), geometry, tile, inputs.data(), output});
    }
  }
};

struct SumsProblem : SlicesProblem {
  using Output = float;
  std::vector<std::uint64_t> slices;
  std::vector<std::int32_t> ones, counts;
  std::vector<std::uint16_t> inputs;
  std::vector<float> scale, residual;
  std::int64_t count, group, planes;

  explicit SumsProblem(Random& random)
      : SlicesProblem(random),
        slices(words(random, geometry.words())),
        ones(integers<std::int32_t>(random, geometry.positions(), 0, 9999)),
        count(random.pick({1, 2, 3, 4, 5, 8, 9})),
        group(random.pick({2, 4})) {
    scale = reals(random, count);
    if (random.chance(0.5)) residual = reals(random, count * geometry.positions());
    const bool all = random.chance(0.3);  // +1 everywhere: the most that planes must hold
    std::int64_t most = 0;
    for (std::int64_t o = 0; o < count; o += group) {
      std::vector<std::vector<std::uint16_t>> classes(std::size_t{1} << group);
      for (const std::uint16_t input : all_inputs()) {
        const auto live = (std::uint64_t{1} << std::min(group, count - o)) - 1;
        const std::uint64_t which = (all ? ~std::uint64_t{0} : random.word()) & live;
        if (which != 0) classes[which].push_back(input);
      }
      for (std::int64_t k = 0; k < group; ++k) {
        std::int64_t plus = 0;
        for (std::size_t c = 0; c < classes.size(); ++c) {
          if ((c >> k & 1) != 0) plus += static_cast<std::int64_t>(classes[c].size());
        }
        most = std::max(most, plus);
      }
      for (const auto& each : classes) {
        counts.push_back(static_cast<std::int32_t>(each.size()));
        inputs.insert(inputs.end(), each.begin(), each.end());
      }
    }
    inputs.shrink_to_fit();
    planes = std::max<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(most)), 1);
  }
  std::size_t outputs() const { return static_cast<std::size_t>(count * geometry.positions()); }
  void run(const KernelEntry& kernel, float* output) const {
    for (std::int64_t tile = 0; tile < geometry.tiles(); ++tile) {
      call<SlicesB1>(
          kernel, {slices.data(), geometry, tile, ones.data(), count, group, planes, counts.data(),
                   inputs.data(), scale.data(), residual.empty() ? nullptr : residual.data(),
                   geometry.positions(), output, geometry.positions()});
    }
  }
};

NIWAKI_CHECK(SliceBase, BaseProblem)
NIWAKI_CHECK(SliceThreshold, ThresholdProblem)
NIWAKI_CHECK(SliceBits, BitsProblem)
NIWAKI_CHECK(SliceOnes, SliceOnesProblem)
NIWAKI_CHECK(SlicesB1, SumsProblem)

}  // namespace
}  // namespace niwaki::check
