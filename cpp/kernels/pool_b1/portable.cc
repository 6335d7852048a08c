#include <algorithm>

#include "pool_b1/pool_b1.h"

namespace niwaki::kernels {

void pool_u1_portable(const PoolB1Args& args) {
  const Window& w = args.window;
  std::uint64_t* output = args.output;
  for (std::int64_t y = 0; y < args.out_height; ++y) {
    const std::int64_t top = y * w.stride_h - w.pad_top;
    const std::int64_t first = std::max<std::int64_t>(top, 0);
    const std::int64_t last = std::min(top + w.kernel_h, args.height);
    for (std::int64_t x = 0; x < args.out_width; ++x, output += args.words) {
      const std::int64_t left = x * w.stride_w - w.pad_left;
      const std::int64_t begin = std::max<std::int64_t>(left, 0);
      const std::int64_t end = std::min(left + w.kernel_w, args.width);
      for (std::int64_t k = 0; k < args.words; ++k) {
        std::uint64_t any = 0;
        std::uint64_t all = ~std::uint64_t{0};
        for (std::int64_t i = first; i < last; ++i) {
          for (std::int64_t j = begin; j < end; ++j) {
            const std::uint64_t word = args.input[(i * args.width + j) * args.words + k];
            any |= word;
            all &= word;
          }
        }
        output[k] = (any & ~args.falling[k]) | (all & args.falling[k]);
      }
    }
  }
}

}  // namespace niwaki::kernels
