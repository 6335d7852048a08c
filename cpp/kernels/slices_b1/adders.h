// Sums of bit slices by full adders: SliceOnes and SlicesB1 over a struct of vector operations.
// Compiled once per instruction set, hence the anonymous namespace.
//
//   struct Vector { using Type; static constexpr int kBytes;
//     load(pointer), zero(), exclusive_or(a, b), both(a, b),
//     sum(a, b, c) = a ^ b ^ c, carry(a, b, c) = at least two of them };
#pragma once

#include "common/simd.h"
#include "slices_b1/slices_b1.h"

namespace niwaki::kernels {
namespace {

constexpr int kTreePlanes = 5;  // of counts that a tree of adders holds: it takes in 32 slices

// The planes 1, 2, 4, 8, 16 of a sum that is being made.
template <class Vector>
struct Tree {
  using Type = typename Vector::Type;
  const char* slices;
  const std::uint16_t* inputs;
  Type planes[kTreePlanes];

  // Takes in 2^level slices; what they carry out of plane `level - 1`.
  template <int level>
  NIWAKI_INLINE Type take() {
    if constexpr (level == 0) {
      return Vector::load(slices + std::int64_t{*inputs++} * 8);
    } else {
      const Type a = take<level - 1>();
      const Type b = take<level - 1>();
      const Type carry = Vector::carry(planes[level - 1], a, b);
      planes[level - 1] = Vector::sum(planes[level - 1], a, b);
      return carry;
    }
  }

  // The slices that don't fill a tree come first: the planes above are still empty then.
  template <int level>
  NIWAKI_INLINE void take_first(std::int64_t count) {
    if ((count >> level & 1) != 0) planes[level] = take<level>();
  }
};

// Sums `count` slices into kTreePlanes + kAbove planes of `sum`.
template <class Vector, int kAbove>
void sum_list(const char* slices, const std::uint16_t* inputs, std::int64_t count,
              typename Vector::Type* sum) {
  using Type = typename Vector::Type;
  const Type zero = Vector::zero();
  Tree<Vector> tree{slices, inputs, {zero, zero, zero, zero, zero}};
  tree.template take_first<0>(count);
  tree.template take_first<1>(count);
  tree.template take_first<2>(count);
  tree.template take_first<3>(count);
  tree.template take_first<4>(count);
  Type above[kAbove];
  NIWAKI_UNROLL for (int k = 0; k < kAbove; ++k) above[k] = zero;
  for (std::int64_t block = count >> kTreePlanes; block > 0; --block) {
    Type carry = tree.template take<kTreePlanes>();
    NIWAKI_UNROLL for (int k = 0; k < kAbove; ++k) {
      const Type next = Vector::both(above[k], carry);
      above[k] = Vector::exclusive_or(above[k], carry);
      carry = next;
    }
  }
  NIWAKI_UNROLL for (int k = 0; k < kTreePlanes; ++k) sum[k] = tree.planes[k];
  NIWAKI_UNROLL for (int k = 0; k < kAbove; ++k) sum[kTreePlanes + k] = above[k];
}

// The same with as many planes as the count needs, and zeros up to `planes` of them.
template <class Vector>
void sum_slices(const char* slices, const std::uint16_t* inputs, std::int64_t count,
                std::int64_t planes, typename Vector::Type* sum) {
  constexpr std::int64_t kSome = 3, kMore = 5, kMost = kMostPlanes - kTreePlanes;
  std::int64_t made = kTreePlanes + kMost;
  if (count >> (kTreePlanes + kSome) == 0) {
    sum_list<Vector, kSome>(slices, inputs, count, sum);
    made = kTreePlanes + kSome;
  } else if (count >> (kTreePlanes + kMore) == 0) {
    sum_list<Vector, kMore>(slices, inputs, count, sum);
    made = kTreePlanes + kMore;
  } else {
    sum_list<Vector, kMost>(slices, inputs, count, sum);
  }
  for (std::int64_t k = made; k < planes; ++k) sum[k] = Vector::zero();
}

// Planes of a + b, which fits them; `sum` may be a or b.
template <class Vector>
void add_planes(const typename Vector::Type* a, const typename Vector::Type* b, std::int64_t planes,
                typename Vector::Type* sum) {
  typename Vector::Type carry = Vector::zero();
  for (std::int64_t k = 0; k < planes; ++k) {
    const typename Vector::Type x = a[k];
    const typename Vector::Type y = b[k];
    sum[k] = Vector::sum(x, y, carry);
    carry = Vector::carry(x, y, carry);
  }
}

// From the sums of the classes (overwritten) the counts of a group's outputs: those of output 0
// have an odd number; pairs of classes that differ in it alone are then one class of the others.
template <class Vector>
void counts_of_outputs(typename Vector::Type (*classes)[kMostPlanes], std::int64_t group,
                       std::int64_t planes, typename Vector::Type (*counts)[kMostPlanes]) {
  for (std::int64_t o = 0, size = std::int64_t{1} << group; o < group; ++o, size /= 2) {
    for (std::int64_t k = 0; k < planes; ++k) counts[o][k] = classes[1][k];
    for (std::int64_t c = 3; c < size; c += 2) {
      add_planes<Vector>(counts[o], classes[c], planes, counts[o]);
    }
    for (std::int64_t c = 1; c < size / 2; ++c) {
      add_planes<Vector>(classes[2 * c], classes[2 * c + 1], planes, classes[c]);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
