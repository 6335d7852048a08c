// What happens to one pixel's counts of a block of 8 outputs, in plain C++: the last block of a
// layer, and the kernels without vectors. Compiled once per instruction set, hence the anonymous
// namespace.
#pragma once

#include "unit_b1/tiles.h"

namespace niwaki::kernels {
namespace {

// counts[k] = popcount(a & v) of output o + k.
inline void store_block(const UnitB1Args& args, std::int64_t pixel, std::int64_t o,
                        const std::int32_t* counts) {
  const std::int64_t live = args.outputs - o < kBinaryBlock ? args.outputs - o : kBinaryBlock;
  const std::int64_t place = pixel * args.outputs + o;
  std::uint8_t bits = 0;
  for (std::int64_t k = 0; k < live; ++k) {
    const std::int32_t acc = 2 * counts[k] - args.ones[pixel];
    const float product = static_cast<float>(acc) * args.scale[o + k];
    float y = product + args.bias[o + k];
    if (args.residual != nullptr) y = y + args.residual[place + k];
    if (args.relu) y = y < 0 ? 0 : y;
    if (args.output != nullptr) args.output[place + k] = y;
    if (args.words != nullptr) {
      bits |= static_cast<std::uint8_t>((args.sign[o + k] * y >= args.level[o + k]) << k);
    }
  }
  if (args.words != nullptr) store_bits(args.words, args.outputs, pixel, o, bits);
}

inline void store_block(const ChainB1Args& args, std::int64_t pixel, std::int64_t o,
                        const std::int32_t* counts) {
  const std::int64_t live = args.outputs - o < kBinaryBlock ? args.outputs - o : kBinaryBlock;
  std::uint8_t bits = 0;
  for (std::int64_t k = 0; k < live; ++k) {
    const std::int32_t acc = 2 * counts[k] - args.ones[pixel];
    bits |= static_cast<std::uint8_t>((args.sign[o + k] * acc >= args.limit[o + k]) << k);
  }
  store_bits(args.words, args.outputs, pixel, o, bits);
}

}  // namespace
}  // namespace niwaki::kernels
