// Max pools behind which a threshold stands, on its bits instead: the test of a maximum is the OR
// of the tests where the test rises with the number, and their AND where it falls.
//
//   bit[y][x][c] = falling[c] ? AND of the window's bits : OR of the window's bits
//
// over the pixels inside the image. Words as conv_b1.h has them, without borders; bits of `falling`
// at padding bits are 0, so that these stay 0. Assumptions: dilations are 1 and every window
// touches the image.
#pragma once

#include <cstdint>

#include "common/plane_layout.h"
#include "common/table.h"

namespace niwaki::kernels {

struct PoolB1Args {
  const std::uint64_t* input;
  std::int64_t height, width, words;
  Window window;
  std::int64_t out_height, out_width;
  const std::uint64_t* falling;  // (words)
  std::uint64_t* output;
};

NIWAKI_OP(PoolB1, PoolB1Args);

}  // namespace niwaki::kernels
