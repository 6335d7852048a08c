#include "pool_b1/pool_b1.h"

namespace niwaki::kernels {
namespace {

bool bit(const std::uint64_t* words, std::int64_t c) { return (words[c / 64] >> (c % 64)) & 1; }

bool pooled(const PoolB1Args& args, std::int64_t y, std::int64_t x, std::int64_t c) {
  const Window& w = args.window;
  const bool falling = bit(args.falling, c);
  bool result = falling;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::int64_t row = y * w.stride_h - w.pad_top + i;
      const std::int64_t column = x * w.stride_w - w.pad_left + j;
      if (row < 0 || row >= args.height || column < 0 || column >= args.width) continue;
      const bool here = bit(args.input + (row * args.width + column) * args.words, c);
      result = falling ? result && here : result || here;
    }
  }
  return result;
}

}  // namespace

void pool_u1_reference(const PoolB1Args& args) {
  for (std::int64_t y = 0; y < args.out_height; ++y) {
    for (std::int64_t x = 0; x < args.out_width; ++x) {
      std::uint64_t* output = args.output + (y * args.out_width + x) * args.words;
      for (std::int64_t c = 0; c < 64 * args.words; ++c) {
        if (c % 64 == 0) output[c / 64] = 0;
        output[c / 64] |= std::uint64_t{pooled(args, y, x, c)} << (c % 64);
      }
    }
  }
}

}  // namespace niwaki::kernels
