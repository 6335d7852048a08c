// PadPlanes* and PadWords.
#include "pad_planes/pad_planes.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

template <class Op, class In, class Out>
struct PlanesProblem : Problem {
  using Output = Out;
  PlaneLayout layout;
  std::vector<In> input;

  explicit PlanesProblem(Random& random) {
    const std::int64_t channels = random.integer(0, 3);
    const std::int64_t height = draw_side(random);
    const std::int64_t width = draw_side(random);
    layout = make_plane_layout(channels, height, width, draw_window(random, 5));
    if constexpr (std::is_same_v<In, float>) {
      input = reals(random, channels * height * width);
    } else {
      input = integers<In>(random, channels * height * width);
    }
  }
  std::size_t outputs() const { return static_cast<std::size_t>(layout.scratch_elements); }
  void run(const KernelEntry& kernel, Out* output) const {
    call<Op>(kernel, {input.data(), output, layout});
  }
};

struct WordsProblem : Problem {
  using Output = std::uint64_t;
  std::int64_t height, width, count;
  Window window;
  std::vector<std::uint64_t> input;

  explicit WordsProblem(Random& random)
      : height(random.integer(0, 6)),
        width(random.integer(0, 20)),
        count(random.integer(0, 4)),
        window(draw_window(random)),
        input(words(random, height * width * count)) {}
  std::size_t outputs() const {
    return static_cast<std::size_t>((window.pad_top + height + window.pad_bottom) *
                                    (window.pad_left + width + window.pad_right) * count);
  }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<PadWords>(kernel, {input.data(), output, height, width, count, window.pad_top,
                            window.pad_left, window.pad_bottom, window.pad_right});
  }
};

using PlanesF32 = PlanesProblem<PadPlanesF32, float, float>;
using PlanesU8 = PlanesProblem<PadPlanesU8, std::uint8_t, std::int16_t>;
using PlanesS8 = PlanesProblem<PadPlanesS8, std::int8_t, std::int16_t>;

NIWAKI_CHECK(PadPlanesF32, PlanesF32)
NIWAKI_CHECK(PadPlanesU8, PlanesU8)
NIWAKI_CHECK(PadPlanesS8, PlanesS8)
NIWAKI_CHECK(PadWords, WordsProblem)

}  // namespace
}  // namespace niwaki::check
