// The short filters F(4, r), r in [2, 5], by Toom and Cook: outputs of a filter of r taps, four at
// a time, are the coefficients of a product of polynomials, which t = r + 3 points determine.
// Points are 0, 1, -1, infinity, 2, -2, 1/2, -1/2: the first t of them. With M(x) the product of
// all (x - point) of the finite ones:
//
//   y = A^T [(G g) * (B^T d)],   A^T[k][a] = point_a^k,   G[a][k] = point_a^k / M'(point_a),
//   B^T[a] = coefficients of M(x) / (x - point_a)
//
// and at infinity A^T picks output 3, G the last tap, and B^T has the coefficients of M. All
// numbers in B^T and A^T are exact as floats.
//
// Source: S. Winograd, "Arithmetic Complexity of Computations", SIAM 1980; the form is that of
// A. Lavin, S. Gray, CVPR 2016, arXiv:1509.09308. [ours]: the points. Of 21 sets that were tried, 3
// to 9 for each r, their errors are within four times the least, and their transforms are short.
#pragma once

#include <cstdint>

namespace niwaki::kernels {

inline constexpr int kPhaseTile = 4;       // outputs of a tile, along each side
inline constexpr int kLeastPhaseSide = 5;  // t, for 2 taps
inline constexpr int kMostPhaseSide = 8;   // for 5 taps

inline constexpr double kToomPoints[kMostPhaseSide - 1] = {0, 1, -1, 2, -2, 0.5, -0.5};  // finite
inline constexpr int kToomInfinity = 3;  // its place among all points

// The place of point a among the finite ones.
constexpr int toom_finite(int a) { return a < kToomInfinity ? a : a - 1; }

// A polynomial by its coefficients, lowest first.
struct ToomPolynomial {
  double at[kMostPhaseSide] = {};
};

// Product of (x - point) over the first `points` finite points, without those at `skip` and
// `skip_too`.
constexpr ToomPolynomial toom_product(int points, int skip = -1, int skip_too = -1) {
  ToomPolynomial product;
  product.at[0] = 1;
  for (int p = 0; p < points; ++p) {
    if (p == skip || p == skip_too) continue;
    for (int k = kMostPhaseSide - 1; k > 0; --k) {
      product.at[k] = product.at[k - 1] - kToomPoints[p] * product.at[k];
    }
    product.at[0] *= -kToomPoints[p];
  }
  return product;
}

constexpr double toom_power(double x, int exponent) {
  double power = 1;
  for (int k = 0; k < exponent; ++k) power *= x;
  return power;
}

// B^T[a][k] of `side` t.
constexpr double toom_input(int side, int a, int k) {
  return toom_product(side - 1, a == kToomInfinity ? -1 : toom_finite(a)).at[k];
}

// A^T[k][a].
constexpr double toom_output(int k, int a) {
  if (a == kToomInfinity) return k == kPhaseTile - 1 ? 1 : 0;
  return toom_power(kToomPoints[toom_finite(a)], k);
}

// G[a][k].
constexpr double toom_filter(int side, int a, int k) {
  if (a == kToomInfinity) return k == side - kPhaseTile ? 1 : 0;
  const double point = kToomPoints[toom_finite(a)];
  double divisor = 1;
  for (int p = 0; p < side - 1; ++p) {
    if (p != toom_finite(a)) divisor *= point - kToomPoints[p];
  }
  return toom_power(point, k) / divisor;
}

}  // namespace niwaki::kernels
