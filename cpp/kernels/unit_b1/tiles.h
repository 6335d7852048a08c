// The walk that the kernels of this family share: blocks of outputs, then rows, then tiles of
// pixels. Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <cstring>

#include "common/simd.h"
#include "common/tiles.h"
#include "conv_b1/window_ones.h"
#include "unit_b1/unit_b1.h"

namespace niwaki::kernels {
namespace {

inline std::int64_t words_per_pixel(std::int64_t outputs) { return (outputs + 63) / 64; }

// The kernels write only the bytes of whole blocks: the rest of the last word is cleared first.
template <class Args>
void clear_words(const Args& args) {
  if (args.words == nullptr || args.outputs % 64 == 0) return;
  const std::int64_t pixels = args.window.out_height * args.window.out_width;
  const std::int64_t words = words_per_pixel(args.outputs);
  for (std::int64_t p = 0; p < pixels; ++p) args.words[p * words + words - 1] = 0;
}

// Put bits of outputs [o, o + 8 * sizeof bits) of a pixel into its words (low byte first).
template <class Bits>
NIWAKI_INLINE void store_bits(std::uint64_t* words, std::int64_t outputs, std::int64_t pixel,
                              std::int64_t o, Bits bits) {
  auto* bytes = reinterpret_cast<std::uint8_t*>(words + pixel * words_per_pixel(outputs));
  std::memcpy(bytes + o / 8, &bits, sizeof bits);
}

// Call tile(size, o, y, x) for tiles that cover the output, `step` outputs and at most kPixels
// pixels each: the weights of a step stay in L1 while they meet all pixels.
template <int kPixels, class Args, class Tile>
void for_each_tile(const Args& args, std::int64_t step, const Tile& tile) {
  const BinaryWindow& w = args.window;
  for (std::int64_t o = 0; o < args.outputs; o += step) {
    for (std::int64_t y = 0; y < w.out_height; ++y) {
      for_even_tiles<kPixels>(w.out_width, [&](auto size, auto x) { tile(size, o, y, x); });
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
