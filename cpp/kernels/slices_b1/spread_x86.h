// Planes of counts to bytes with x86 vectors: fields of 1, 2 and 4 bits are woven into ones of 2, 4
// and 8, then the eight vectors, each with every eighth pixel, into runs. Compiled once per
// instruction set, hence the anonymous namespace.
#pragma once

#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// even: the fields of `mask` (shift bits each) from a, the others from b moved up; odd: a moved
// down, and b.
template <class Vector, int shift>
NIWAKI_INLINE void weave(typename Vector::Type a, typename Vector::Type b,
                         typename Vector::Type mask, typename Vector::Type& even,
                         typename Vector::Type& odd) {
  even = Vector::select(mask, a, Vector::template left<shift>(b));
  odd = Vector::select(mask, Vector::template right<shift>(a), b);
}

template <class Vector>
void spread_planes(const typename Vector::Type* planes, std::uint8_t* bytes) {
  using Type = typename Vector::Type;
  Type two[4][2];   // planes 2 k and 2 k + 1; pixels 2 f + [m] in field f
  Type four[2][4];  // planes 4 k to 4 k + 3; pixels 4 f + m
  Type eight[8];    // pixels 8 f + m
  const Type ones = Vector::repeat(0x55);
  const Type twos = Vector::repeat(0x33);
  const Type fours = Vector::repeat(0x0f);
  NIWAKI_UNROLL for (int k = 0; k < 4; ++k) {
    weave<Vector, 1>(planes[2 * k], planes[2 * k + 1], ones, two[k][0], two[k][1]);
  }
  NIWAKI_UNROLL for (int k = 0; k < 2; ++k) {
    NIWAKI_UNROLL for (int m = 0; m < 2; ++m) {
      weave<Vector, 2>(two[2 * k][m], two[2 * k + 1][m], twos, four[k][m], four[k][m + 2]);
    }
  }
  NIWAKI_UNROLL for (int m = 0; m < 4; ++m) {
    weave<Vector, 4>(four[0][m], four[1][m], fours, eight[m], eight[m + 4]);
  }
  // Lane by lane of 16 bytes: pairs, fours and eights of pixels.
  Type pairs[4][2];
  Type quads[2][4];
  NIWAKI_UNROLL for (int k = 0; k < 4; ++k) {
    pairs[k][0] = Vector::low8(eight[2 * k], eight[2 * k + 1]);
    pairs[k][1] = Vector::high8(eight[2 * k], eight[2 * k + 1]);
  }
  NIWAKI_UNROLL for (int k = 0; k < 2; ++k) {
    NIWAKI_UNROLL for (int m = 0; m < 2; ++m) {
      quads[k][2 * m] = Vector::low16(pairs[2 * k][m], pairs[2 * k + 1][m]);
      quads[k][2 * m + 1] = Vector::high16(pairs[2 * k][m], pairs[2 * k + 1][m]);
    }
  }
  NIWAKI_UNROLL for (int m = 0; m < 4; ++m) {
    Vector::store(bytes + 2 * m * Vector::kBytes, Vector::low32(quads[0][m], quads[1][m]));
    Vector::store(bytes + (2 * m + 1) * Vector::kBytes, Vector::high32(quads[0][m], quads[1][m]));
  }
}

// Lane l of stored vector m has the pixels from 128 l + 16 m on.
template <int bytes>
constexpr int place_of_run(int b) {
  return b % 8 * bytes + b / 8 * 16;
}

}  // namespace
}  // namespace niwaki::kernels
