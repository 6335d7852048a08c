// Thresholds pixel by pixel: the portable kernel, and the vector kernels' last few pixels. Compiled
// once per instruction set, hence the anonymous namespace.
#pragma once

#include "threshold/threshold.h"

namespace niwaki::kernels {
namespace {

// Write the words of the pixels from `first` on.
template <class X, class Level>
void threshold_pixels(const ThresholdArgs<X, Level>& args, std::int64_t first) {
  const std::int64_t words = (args.channels + 63) / 64;
  for (std::int64_t w = 0; w < words; ++w) {
    const std::int64_t left = args.channels - 64 * w;
    const std::int64_t count = left < 64 ? left : 64;
    const std::int8_t* sign = args.sign + 64 * w;
    const Level* level = args.level + 64 * w;
    for (std::int64_t p = first; p < args.pixels; ++p) {
      const X* x = args.input + 64 * w * args.pixels + p;
      std::uint64_t word = 0;
      for (std::int64_t k = 0; k < count; ++k) {
        const Level value = static_cast<Level>(x[k * args.pixels]);
        word |= std::uint64_t{(sign[k] < 0 ? -value : value) >= level[k]} << k;
      }
      args.words[p * words + w] = word;
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
