// Thresholds of pixels: a pixel's channels are a run of floats, its bits a run of masks. Compiled
// once per instruction set, hence the anonymous namespace.
#pragma once

#include "pixels_f32/pixels_f32.h"

namespace niwaki::kernels {
namespace {

// Call bits(x, c, count) for every 64 channels or what is left of a pixel; it returns the word of
// channels [c, c + count), x pointing at channel c.
template <class Bits>
inline void threshold_pixels(const ThresholdPixelsF32Args& args, const Bits& bits) {
  const float* x = args.input;
  std::uint64_t* word = args.words;
  for (std::int64_t p = 0; p < args.pixels; ++p) {
    for (std::int64_t c = 0; c < args.channels; c += 64) {
      const std::int64_t count = args.channels - c < 64 ? args.channels - c : 64;
      *word++ = bits(x + c, c, count);
    }
    x += args.channels;
  }
}

// Channels [begin, count) one by one.
inline std::uint64_t bits_one_by_one(const ThresholdPixelsF32Args& args, const float* x,
                                     std::int64_t c, std::int64_t begin, std::int64_t count) {
  std::uint64_t word = 0;
  for (std::int64_t k = begin; k < count; ++k) {
    const float value = args.sign[c + k] < 0 ? -x[k] : x[k];
    word |= std::uint64_t{value >= args.level[c + k]} << k;
  }
  return word;
}

}  // namespace
}  // namespace niwaki::kernels
