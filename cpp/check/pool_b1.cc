// PoolB1.
#include "pool_b1/pool_b1.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct PoolB1Problem : Problem {
  using Output = std::uint64_t;
  std::int64_t height, width, count, out_height, out_width;
  Window window;
  std::vector<std::uint64_t> input, falling;

  explicit PoolB1Problem(Random& random)
      : height(draw_side(random)),
        width(draw_side(random)),
        count(random.integer(1, 4)),
        window(draw_window(random, 4, false)) {
    // Every window touches the image.
    window.kernel_h = std::min(window.kernel_h, height);
    window.kernel_w = std::min(window.kernel_w, width);
    for (auto* pad : {&window.pad_top, &window.pad_bottom}) {
      *pad = std::min(*pad, window.kernel_h - 1);
    }
    for (auto* pad : {&window.pad_left, &window.pad_right}) {
      *pad = std::min(*pad, window.kernel_w - 1);
    }
    out_height =
        (height + window.pad_top + window.pad_bottom - window.kernel_h) / window.stride_h + 1;
    out_width =
        (width + window.pad_left + window.pad_right - window.kernel_w) / window.stride_w + 1;
    input = words(random, height * width * count);
    falling = words(random, count);
  }
  std::size_t outputs() const { return static_cast<std::size_t>(out_height * out_width * count); }
  void run(const KernelEntry& kernel, std::uint64_t* output) const {
    call<PoolB1>(kernel, {input.data(), height, width, count, window, out_height, out_width,
                          falling.data(), output});
  }
};

NIWAKI_CHECK(PoolB1, PoolB1Problem)

}  // namespace
}  // namespace niwaki::check
