// The one-dimensional transforms of F(2, 3) and F(4, 3), on anything that adds and multiplies.
#pragma once

#include "common/simd.h"

namespace niwaki::kernels {
namespace {

// t = B^T d. `S` gives the arithmetic (common/simd.h).
template <class S, int kTile>
NIWAKI_INLINE void transform_input(const typename S::Vector (&d)[kTile + 2],
                                   typename S::Vector (&t)[kTile + 2]) {
  if constexpr (kTile == 2) {
    t[0] = S::sub(d[0], d[2]);
    t[1] = S::add(d[1], d[2]);
    t[2] = S::sub(d[2], d[1]);
    t[3] = S::sub(d[1], d[3]);
  } else {
    const auto four = S::broadcast(4.0F);
    const auto minus_four = S::broadcast(-4.0F);
    const auto minus_five = S::broadcast(-5.0F);
    const auto two = S::broadcast(2.0F);
    const auto minus_two = S::broadcast(-2.0F);
    const auto even = S::fma(d[2], minus_four, d[4]);  // -4 d2 + d4
    const auto odd = S::fma(d[1], minus_four, d[3]);   // -4 d1 + d3
    const auto near_even = S::sub(d[4], d[2]);         // -d2 + d4
    const auto near_odd = S::sub(d[3], d[1]);          // -d1 + d3
    t[0] = S::fma(d[0], four, S::fma(d[2], minus_five, d[4]));
    t[1] = S::add(even, odd);
    t[2] = S::sub(even, odd);
    t[3] = S::fma(near_odd, two, near_even);
    t[4] = S::fma(near_odd, minus_two, near_even);
    t[5] = S::fma(d[1], four, S::fma(d[3], minus_five, d[5]));
  }
}

// y = A^T m.
template <class S, int kTile>
NIWAKI_INLINE void transform_output(const typename S::Vector (&m)[kTile + 2],
                                    typename S::Vector (&y)[kTile]) {
  const auto sum = S::add(m[1], m[2]);
  const auto difference = S::sub(m[1], m[2]);
  if constexpr (kTile == 2) {
    y[0] = S::add(m[0], sum);
    y[1] = S::sub(difference, m[3]);
  } else {
    const auto far_sum = S::add(m[3], m[4]);
    const auto far_difference = S::sub(m[3], m[4]);
    y[0] = S::add(S::add(m[0], sum), far_sum);
    y[1] = S::fma(far_difference, S::broadcast(2.0F), difference);
    y[2] = S::fma(far_sum, S::broadcast(4.0F), sum);
    y[3] = S::add(S::fma(far_difference, S::broadcast(8.0F), difference), m[5]);
  }
}

}  // namespace
}  // namespace niwaki::kernels
