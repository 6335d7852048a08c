// The kernels of SliceOnes and SlicesB1 over a Vector (adders.h) and what makes numbers of its
// planes. Compiled once per instruction set, hence the anonymous namespace.
//
//   struct Vector { ...
//     kLanes; Ints, Floats: the compiler's vectors of as many numbers
//     static Ints ints(const std::uint8_t*): kLanes bytes as numbers
//     static void spread(const Type* planes, std::uint8_t* bytes): the counts of 8 planes as bytes,
//       the 16 pixels from 16 run on at bytes + place(run)
//     static constexpr int place(int run)
//     kMaskPlanes: so many more planes are added as masks, where masks are an instruction's
//     operand: static Ints with_plane(Ints counts, const std::uint8_t* bits, int value) };
#pragma once

#include "slices_b1/adders.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kRun = 16;  // pixels whose bytes lie together

// Load or store the first `number` elements of a vector; nearly always all of them.
template <class Some, class Element>
NIWAKI_INLINE Some load_some(const Element* p, std::int64_t number) {
  Some values{};
  if (number * sizeof(Element) == sizeof values) {
    std::memcpy(&values, p, sizeof values);
  } else {
    for (std::int64_t k = 0; k < number; ++k) values[k] = p[k];
  }
  return values;
}
template <class Some, class Element>
NIWAKI_INLINE void store_some(Element* p, const Some& values, std::int64_t number) {
  if (number * sizeof(Element) == sizeof values) {
    std::memcpy(p, &values, sizeof values);
  } else {
    for (std::int64_t k = 0; k < number; ++k) p[k] = values[k];
  }
}

enum class High { none, masks, bytes };  // how the planes above the eighth are added

// The counts of a vector's pixels, as bytes, and what is above a byte.
template <class Vector>
struct Counts {
  using Ints = typename Vector::Ints;
  static constexpr int kMasks = Vector::kMaskPlanes;

  alignas(64) std::uint8_t low[8 * Vector::kBytes];
  alignas(64) std::uint8_t high[8 * Vector::kBytes];  // bytes, or kMasks planes
  High kind;

  Counts(const typename Vector::Type* sum, std::int64_t planes)
      : kind(planes <= 8            ? High::none
             : planes <= 8 + kMasks ? High::masks
                                    : High::bytes) {
    spread(sum, planes, low);
    if (kind == High::bytes) spread(sum + 8, planes - 8, high);
    if constexpr (kMasks > 0) {
      if (kind == High::masks) {
        for (int k = 0; k < kMasks; ++k) {
          Vector::store(high + k * Vector::kBytes, 8 + k < planes ? sum[8 + k] : Vector::zero());
        }
      }
    }
  }

  // Calls store(p, counts, number) for vectors from pixel p on that cover [0, pixels): `number` of
  // them are there, kLanes but for the last.
  template <class Store>
  NIWAKI_INLINE void each(std::int64_t pixels, const Store& store) const {
    switch (kind) {
      case High::none:
        return each_vector<High::none>(pixels, store);
      case High::masks:
        if constexpr (kMasks > 0) each_vector<High::masks>(pixels, store);
        return;
      case High::bytes:
        return each_vector<High::bytes>(pixels, store);
    }
  }

 private:
  static NIWAKI_INLINE void spread(const typename Vector::Type* sum, std::int64_t planes,
                                   std::uint8_t* bytes) {
    typename Vector::Type all[8];
    NIWAKI_UNROLL for (int k = 0; k < 8; ++k) all[k] = k < planes ? sum[k] : Vector::zero();
    Vector::spread(all, bytes);
  }

  template <High how, class Store>
  NIWAKI_INLINE void each_vector(std::int64_t pixels, const Store& store) const {
    const std::int64_t whole = pixels / kRun;
    for (std::int64_t run = 0; run < whole; ++run) {
      NIWAKI_UNROLL for (std::int64_t k = 0; k < kRun; k += Vector::kLanes) {
        store(run * kRun + k, count<how>(run, k), Vector::kLanes);
      }
    }
    for (std::int64_t p = whole * kRun; p < pixels; p += Vector::kLanes) {
      const std::int64_t left = pixels - p;
      store(p, count<how>(whole, p - whole * kRun), left < Vector::kLanes ? left : Vector::kLanes);
    }
  }

  template <High how>
  NIWAKI_INLINE Ints count(std::int64_t run, std::int64_t k) const {
    const std::int64_t at = Vector::place(static_cast<int>(run)) + k;
    Ints found = Vector::ints(low + at);
    if constexpr (how == High::bytes) found += Vector::ints(high + at) << 8;
    if constexpr (how == High::masks) {
      NIWAKI_UNROLL for (int plane = 0; plane < kMasks; ++plane) {
        found = Vector::with_plane(found, high + plane * Vector::kBytes + 2 * run, 256 << plane);
      }
    }
    return found;
  }
};

// Call run(slices, first, pixels) for the vectors of a tile: `slices` of input 0, the vector's
// first pixel, and how many of its pixels there are.
template <class Vector, class Run>
NIWAKI_INLINE void each_vector(const std::uint64_t* slices, const SliceGeometry& g,
                               std::int64_t tile, const Run& run) {
  constexpr std::int64_t kPixels = 8 * Vector::kBytes;
  for (std::int64_t part = 0; part * kPixels < 64 * g.slice_words; ++part) {
    const std::int64_t first = tile * 64 * g.slice_words + part * kPixels;
    const std::int64_t left = g.positions() - first;
    if (left <= 0) return;
    run(reinterpret_cast<const char*>(slices) + part * Vector::kBytes, first,
        left < kPixels ? left : kPixels);
  }
}

template <class Vector>
void slice_ones(const SliceOnesArgs& args) {
  const SliceGeometry& g = args.geometry;
  each_vector<Vector>(
      args.slices, g, args.tile, [&](const char* slices, std::int64_t first, std::int64_t pixels) {
        typename Vector::Type sum[kMostPlanes];
        sum_slices<Vector>(slices, args.inputs, g.inputs(), kMostPlanes, sum);
        const Counts<Vector> counts(sum, kMostPlanes);
        std::int32_t* ones = args.ones + first;
        counts.each(pixels, [&](std::int64_t p, typename Vector::Ints count, std::int64_t number) {
          store_some(ones + p, count, number);
        });
      });
}

template <class Vector, bool added>
void store_output(const SlicesB1Args& args, std::int64_t o, std::int64_t first, std::int64_t pixels,
                  const typename Vector::Type* sum) {
  using Floats = typename Vector::Floats;
  using Ints = typename Vector::Ints;
  const Counts<Vector> counts(sum, args.planes);
  const float scale = args.scale[o];
  const std::int32_t* ones = args.ones + first;
  const float* residual = added ? args.residual + o * args.residual_stride + first : nullptr;
  float* output = args.output + o * args.output_stride + first;
  counts.each(pixels, [&](std::int64_t p, Ints count, std::int64_t number) {
    const Ints acc = count + count - load_some<Ints>(ones + p, number);
    Floats y = __builtin_convertvector(acc, Floats) * scale;
    if constexpr (added) y = y + load_some<Floats>(residual + p, number);
    store_some(output + p, y, number);
  });
}

template <class Vector>
void add_slices(const SlicesB1Args& args) {
  using Type = typename Vector::Type;
  const std::int64_t size = std::int64_t{1} << args.group;
  each_vector<Vector>(args.slices, args.geometry, args.tile,
                      [&](const char* slices, std::int64_t first, std::int64_t pixels) {
                        const std::uint16_t* inputs = args.inputs;
                        const std::int32_t* sizes = args.counts;
                        for (std::int64_t o = 0; o < args.outputs; o += args.group, sizes += size) {
                          Type classes[1 << kMostGroup][kMostPlanes];
                          for (std::int64_t c = 1; c < size; ++c) {
                            sum_slices<Vector>(slices, inputs, sizes[c], args.planes, classes[c]);
                            inputs += sizes[c];
                          }
                          Type counts[kMostGroup][kMostPlanes];
                          counts_of_outputs<Vector>(classes, args.group, args.planes, counts);
                          for (std::int64_t k = 0; k < args.group && o + k < args.outputs; ++k) {
                            if (args.residual == nullptr) {
                              store_output<Vector, false>(args, o + k, first, pixels, counts[k]);
                            } else {
                              store_output<Vector, true>(args, o + k, first, pixels, counts[k]);
                            }
                          }
                        }
                      });
}

}  // namespace
}  // namespace niwaki::kernels
