// Cutting a range into register tiles of a size known at compile time.
//
// Everything here is in an anonymous namespace on purpose: these templates are compiled once per
// instruction set, and the linker must never merge an AVX-512 copy into portable code.
#pragma once

#include <cstdint>
#include <utility>

namespace niwaki::kernels {
namespace {

// Call run(std::integral_constant<int, size>, begin) for tiles that cover [0, count) in order, each
// of at most kMost and as even as possible (14 cut by 8 is 7 + 7: an 8 + 6 would leave registers
// idle).
template <int kMost, class Run>
inline void for_even_tiles(std::int64_t count, const Run& run) {
  const std::int64_t tiles = (count + kMost - 1) / kMost;
  std::int64_t begin = 0;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t end = count * (tile + 1) / tiles;
    [&]<int... k>(std::integer_sequence<int, k...>) {
      ((end - begin == k + 1 ? run(std::integral_constant<int, k + 1>{}, begin) : void()), ...);
    }(std::make_integer_sequence<int, kMost>{});
    begin = end;
  }
}

}  // namespace
}  // namespace niwaki::kernels
