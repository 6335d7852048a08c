// The one-dimensional transforms of F(4, r) on vectors, unrolled from the points when compiled.
// Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <utility>

#include "common/simd.h"
#include "winograd_phases_f32/points.h"

namespace niwaki::kernels {
namespace {

// sum + coefficient * x, in as little as it takes.
template <class S>
NIWAKI_INLINE typename S::Vector add_multiple(typename S::Vector sum, typename S::Vector x,
                                              double coefficient) {
  if (coefficient == 0) return sum;
  if (coefficient == 1) return S::add(sum, x);
  if (coefficient == -1) return S::sub(sum, x);
  return S::fma(x, S::broadcast(static_cast<float>(coefficient)), sum);
}

// The polynomial's coefficients times d[0], d[1] ..., from the highest, which is 1, down.
template <class S, int kDegree>
NIWAKI_INLINE typename S::Vector toom_sum(const ToomPolynomial& polynomial,
                                          const typename S::Vector* d) {
  typename S::Vector sum = d[kDegree];
  NIWAKI_UNROLL for (int k = kDegree - 1; k >= 0; --k) {
    sum = add_multiple<S>(sum, d[k], polynomial.at[k]);
  }
  return sum;
}

// t = B^T d. Points a and -a share what N(x) = M(x) / (x^2 - a^2) gives: M(x) / (x - a) is
// (x + a) N(x).
template <class S, int kSide>
NIWAKI_INLINE void toom_transform_input(const typename S::Vector (&d)[kSide],
                                        typename S::Vector (&t)[kSide]) {
  constexpr int kPoints = kSide - 1;
  constexpr ToomPolynomial kWithoutZero = toom_product(kPoints, 0);
  constexpr ToomPolynomial kAll = toom_product(kPoints);
  t[0] = toom_sum<S, kPoints - 1>(kWithoutZero, d);
  t[kToomInfinity] = toom_sum<S, kPoints>(kAll, d);
  [&]<int... pair>(std::integer_sequence<int, pair...>) __attribute__((always_inline)) {
    (([&]() __attribute__((always_inline)) {
       constexpr int kPoint = 1 + 2 * pair;
       constexpr int kAt = kPoint < kToomInfinity ? kPoint : kPoint + 1;
       constexpr ToomPolynomial kRest = toom_product(kPoints, kPoint, kPoint + 1);
       const auto low = toom_sum<S, kPoints - 2>(kRest, d);
       const auto high = toom_sum<S, kPoints - 2>(kRest, d + 1);
       t[kAt] = add_multiple<S>(high, low, kToomPoints[kPoint]);
       t[kAt + 1] = add_multiple<S>(high, low, -kToomPoints[kPoint]);
     }()),
     ...);
  }(std::make_integer_sequence<int, (kPoints - 1) / 2>{});
  if constexpr (kPoints % 2 == 0) {  // a point without its opposite
    constexpr ToomPolynomial kRest = toom_product(kPoints, kPoints - 1);
    t[kSide - 1] = toom_sum<S, kPoints - 1>(kRest, d);
  }
}

// y = A^T m over points [kFirst, kFirst + kCount), m[0] being the first of them; added to y unless
// kFirst is 0. The first four points are never parted, nor are a and -a.
template <class S, int kFirst, int kCount>
NIWAKI_INLINE void toom_transform_output(const typename S::Vector (&m)[kCount],
                                         typename S::Vector (&y)[kPhaseTile]) {
  constexpr int kPairs = kToomInfinity + 1;  // where pairs go on
  if constexpr (kFirst == 0) {
    const auto sum = S::add(m[1], m[2]);
    const auto difference = S::sub(m[1], m[2]);
    y[0] = S::add(sum, m[0]);
    y[1] = difference;
    y[2] = sum;
    y[3] = S::add(difference, m[kToomInfinity]);
  }
  NIWAKI_UNROLL for (int a = kFirst == 0 ? kPairs : kFirst; a + 1 < kFirst + kCount; a += 2) {
    const auto far_sum = S::add(m[a - kFirst], m[a - kFirst + 1]);
    const auto far_difference = S::sub(m[a - kFirst], m[a - kFirst + 1]);
    NIWAKI_UNROLL for (int k = 0; k < kPhaseTile; ++k) {
      y[k] = add_multiple<S>(y[k], k % 2 == 0 ? far_sum : far_difference, toom_output(k, a));
    }
  }
  if constexpr (kCount % 2 != 0) {
    NIWAKI_UNROLL for (int k = 0; k < kPhaseTile; ++k) {
      y[k] = add_multiple<S>(y[k], m[kCount - 1], toom_output(k, kFirst + kCount - 1));
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
