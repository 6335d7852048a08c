// The sparse convolution for one instruction set: see sparse_conv_f32.h. A map that leaves half of
// the registers empty is worked on for two or three images at once: every tap is then read once for
// all of them. Compiled once per set, hence the anonymous namespace.
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "common/simd.h"
#include "sparse_conv_f32/sparse_conv_f32.h"

namespace niwaki::kernels {
namespace {

constexpr int kMostImages = 3;

template <class Tap>
constexpr int kOutputsOf = 1;
template <>
constexpr int kOutputsOf<SparseTap4> = 4;

// Sums take all registers but those for the values, the activations and what a store needs; beyond
// 14 nothing is won.
template <class S, class Tap>
constexpr int kMostVectors = std::clamp(
    (S::kRegisters - (kOutputsOf<Tap> == 1 ? 2 : kOutputsOf<Tap> + 2)) / kOutputsOf<Tap>, 1, 14);

// Which lanes of a tile are pixels, and which of its last vectors' lanes are its own.
template <int kVectors>
struct TileLanes {
  bool masked;
  simd::Bits pixels[kVectors];
  std::int64_t last;  // lanes of the last vector
};

template <class S, int kVectors, class Args>
NIWAKI_INLINE TileLanes<kVectors> tile_lanes(const Args& args, std::int64_t p) {
  TileLanes<kVectors> lanes;
  lanes.masked = args.store.mask != nullptr;
  NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) {
    lanes.pixels[v] =
        lanes.masked ? simd::bits_at(args.store.mask, p + v * S::kLanes) : ~simd::Bits{0};
  }
  lanes.last = args.end - (p + (kVectors - 1) * S::kLanes);
  return lanes;
}

template <class S, int kVectors>
NIWAKI_INLINE void write(float* output, const TileLanes<kVectors>& lanes,
                         const typename S::Vector* sums) {
  constexpr int kLast = kVectors - 1;
  NIWAKI_UNROLL for (int v = 0; v < kLast; ++v) S::store(output + v * S::kLanes, sums[v]);
  if (lanes.last >= S::kLanes) {
    S::store(output + kLast * S::kLanes, sums[kLast]);
  } else {
    S::store_masked(output + kLast * S::kLanes, simd::first_bits(lanes.last), sums[kLast]);
  }
}

// What write() stored. Like it, this touches nothing behind the range: there may be the end of the
// buffer, or what another thread writes.
template <class S, int kVectors>
NIWAKI_INLINE void read_back(const float* output, const TileLanes<kVectors>& lanes,
                             typename S::Vector* sums) {
  constexpr int kLast = kVectors - 1;
  NIWAKI_UNROLL for (int v = 0; v < kLast; ++v) sums[v] = S::load(output + v * S::kLanes);
  sums[kLast] = lanes.last >= S::kLanes
                    ? S::load(output + kLast * S::kLanes)
                    : S::load_masked(output + kLast * S::kLanes, simd::first_bits(lanes.last));
}

// Activate and mask in place.
template <class S, int kVectors>
NIWAKI_INLINE void finish(const Activation& activation, const TileLanes<kVectors>& lanes,
                          typename S::Vector* sums) {
  activate_sums<S, kVectors>(activation, sums);
  if (lanes.masked) {
    NIWAKI_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] = S::keep(sums[v], lanes.pixels[v]);
  }
}

// A load and a multiply-add of a vector.
template <class S>
struct Whole {
  static NIWAKI_INLINE typename S::Vector load(const float* from) { return S::load(from); }
  static NIWAKI_INLINE void fma(typename S::Vector x, typename S::Vector value,
                                typename S::Vector& sum) {
    sum = S::fma(x, value, sum);
  }
};

// Of its lower half, where nothing else of it counts: the sum's upper lanes are undefined then. It
// gains where 512 bits are worked on in two passes.
template <class S>
struct Lower : Whole<S> {};
#if defined(__AVX512F__)
template <>
struct Lower<simd::Avx512> {
  static NIWAKI_INLINE __m512 load(const float* from) {
    return _mm512_castps256_ps512(_mm256_loadu_ps(from));
  }
  static NIWAKI_INLINE void fma(__m512 x, __m512 value, __m512& sum) {
    sum = _mm512_castps256_ps512(_mm256_fmadd_ps(
        _mm512_castps512_ps256(x), _mm512_castps512_ps256(value), _mm512_castps512_ps256(sum)));
  }
};
#endif

template <class S>
constexpr bool kHasHalves = S::kLanes == 16;

template <class S, bool kHalf>
using LastVector = std::conditional_t<kHalf, Lower<S>, Whole<S>>;

// kHalf: only the lower half of an image's last vector is pixels.
template <class S, int kVectors, int kImages, bool kHalf>
NIWAKI_INLINE void add_tap(typename S::Vector* sums, const float* input, std::int64_t image,
                           const SparseTap& tap) {
  constexpr int kLast = kVectors - 1;
  const auto value = S::broadcast(tap.value);
  const float* x = input + tap.offset;
  NIWAKI_UNROLL for (int n = 0; n < kImages; ++n, x += image) {
    auto* own = sums + n * kVectors;
    NIWAKI_UNROLL for (int v = 0; v < kLast; ++v) {
      Whole<S>::fma(S::load(x + v * S::kLanes), value, own[v]);
    }
    LastVector<S, kHalf>::fma(LastVector<S, kHalf>::load(x + kLast * S::kLanes), value, own[kLast]);
  }
}

// A stream of weights is read once a tile, from far away where the tiles are few (7x7 maps: once).
constexpr int kTapsAhead = 32;

template <class S, int kVectors, int kImages, bool kHalf>
NIWAKI_INLINE void add_tap(typename S::Vector* sums, const float* input, std::int64_t image,
                           const SparseTap4& tap) {
  constexpr int kSums = kImages * kVectors;
  constexpr int kLast = kVectors - 1;
  __builtin_prefetch(&tap + kTapsAhead, 0, 3);
  typename S::Vector values[4];
  NIWAKI_UNROLL for (int k = 0; k < 4; ++k) values[k] = S::broadcast(tap.values[k]);
  const float* x = input + tap.offset;
  typename S::Vector pixels[kSums];
  NIWAKI_UNROLL for (int n = 0; n < kImages; ++n, x += image) {
    auto* own = pixels + n * kVectors;
    NIWAKI_UNROLL for (int v = 0; v < kLast; ++v) {
      own[v] = S::load(x + v * S::kLanes);
      S::hold(own[v]);
    }
    own[kLast] = LastVector<S, kHalf>::load(x + kLast * S::kLanes);
    S::hold(own[kLast]);
  }
  NIWAKI_UNROLL for (int n = 0; n < kImages; ++n) {
    NIWAKI_UNROLL for (int k = 0; k < 4; ++k) {
      auto* own = sums + k * kSums + n * kVectors;
      NIWAKI_UNROLL for (int v = 0; v < kLast; ++v) {
        Whole<S>::fma(pixels[n * kVectors + v], values[k], own[v]);
      }
      LastVector<S, kHalf>::fma(pixels[n * kVectors + kLast], values[k], own[kLast]);
    }
  }
}

// One output channel's sums at the start of a segment: bias and residual, or what was stored.
template <class S, int kVectors, int kImages, class Args>
NIWAKI_INLINE void start(const Args& args, const TileLanes<kVectors>& lanes, bool starts,
                         std::int64_t channel, const float* residuals, const float* output,
                         typename S::Vector* sums) {
  constexpr int kSums = kImages * kVectors;
  const ConvStore& store = args.store;
  if (!starts) {
    NIWAKI_UNROLL for (int n = 0; n < kImages; ++n) {
      read_back<S, kVectors>(output + n * args.output_image, lanes, sums + n * kVectors);
    }
    return;
  }
  const auto bias = S::broadcast(store.bias == nullptr ? 0.0F : store.bias[channel]);
  NIWAKI_UNROLL for (int k = 0; k < kSums; ++k) sums[k] = bias;
  if (residuals == nullptr) return;
  const float* residual = residuals + channel * store.residual_plane;
  NIWAKI_UNROLL for (int k = 0; k < kSums; ++k) {
    const float* from = residual + k / kVectors * store.residual_image + k % kVectors * S::kLanes;
    sums[k] = S::add(sums[k], S::load(from));
  }
}

// Tile [p, p + kVectors * kLanes) of images [first, first + kImages).
template <class S, class Tap, int kVectors, int kImages, bool kHalf>
void run_tile(const SparseConvArgs<Tap>& args, std::int64_t first, std::int64_t p) {
  constexpr int kOutputs = kOutputsOf<Tap>;
  constexpr int kSums = kImages * kVectors;
  const TileLanes<kVectors> lanes = tile_lanes<S, kVectors>(args, p);
  const float* input = args.input + first * args.input_image + p - args.input_begin;
  float* outputs = args.output + first * args.output_image + p;
  const ConvStore& store = args.store;
  const float* residuals =
      store.residual == nullptr ? nullptr : store.residual + first * store.residual_image + p;
  const Tap* tap = args.taps;
  const SparseSegment* last = args.segments + args.segment_count;
  for (const SparseSegment* segment = args.segments; segment != last; ++segment) {
    typename S::Vector sums[kOutputs * kSums];
    const std::int64_t channel = std::int64_t{segment->unit} * kOutputs;
    float* output = outputs + channel * args.output_plane;
    const bool starts = (segment->flags & kSegmentStarts) != 0;
    // The last block may hold fewer channels: sums of what isn't there stay zero.
    NIWAKI_UNROLL for (int k = 0; k < kOutputs; ++k) {
      if (kOutputs == 1 || channel + k < args.outputs) {
        start<S, kVectors, kImages>(args, lanes, starts, channel + k, residuals,
                                    output + k * args.output_plane, sums + k * kSums);
      } else {
        NIWAKI_UNROLL for (int v = 0; v < kSums; ++v) sums[k * kSums + v] = S::zero();
      }
    }
    const Tap* end = tap + segment->taps;
    if constexpr (kSums < 8) {  // the loop's own work counts
      for (; end - tap >= 2; tap += 2) {
        add_tap<S, kVectors, kImages, kHalf>(sums, input, args.input_image, tap[0]);
        add_tap<S, kVectors, kImages, kHalf>(sums, input, args.input_image, tap[1]);
      }
    }
    for (; tap != end; ++tap) {
      add_tap<S, kVectors, kImages, kHalf>(sums, input, args.input_image, *tap);
    }
    const bool done = (segment->flags & kSegmentFinishes) != 0;
    NIWAKI_UNROLL for (int k = 0; k < kOutputs; ++k) {
      if (kOutputs > 1 && channel + k >= args.outputs) break;
      NIWAKI_UNROLL for (int n = 0; n < kImages; ++n) {
        auto* own = sums + k * kSums + n * kVectors;
        if (done) finish<S, kVectors>(store.activation, lanes, own);
        write<S, kVectors>(output + k * args.output_plane + n * args.output_image, lanes, own);
      }
    }
  }
}

template <class Tap>
using TileFunction = void (*)(const SparseConvArgs<Tap>&, std::int64_t, std::int64_t);

// The tiles of 1, 2 ... vectors of kImages images that fit the registers; kHalf: only the lower
// half of the last vector counts.
template <class S, class Tap, int kImages, bool kHalf, int... k>
constexpr auto tile_functions(std::integer_sequence<int, k...>) {
  return std::array<TileFunction<Tap>, sizeof...(k)>{&run_tile<S, Tap, k + 1, kImages, kHalf>...};
}

template <class S, class Tap, int kImages>
void run_images(const SparseConvArgs<Tap>& args, std::int64_t first, std::int64_t tiles) {
  constexpr int kVectors = kMostVectors<S, Tap> / kImages;
  static constexpr auto kTiles =
      tile_functions<S, Tap, kImages, false>(std::make_integer_sequence<int, kVectors>{});
  static constexpr auto kHalfTiles =
      tile_functions<S, Tap, kImages, kHasHalves<S>>(std::make_integer_sequence<int, kVectors>{});
  const std::int64_t vectors = (args.end - args.begin + S::kLanes - 1) / S::kLanes;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t from = vectors * tile / tiles;
    const std::int64_t to = vectors * (tile + 1) / tiles;
    const std::int64_t left = args.end - args.begin - (to - 1) * S::kLanes;  // in the last vector
    const auto& tiles_of_size = left <= S::kLanes / 2 ? kHalfTiles : kTiles;
    tiles_of_size[static_cast<std::size_t>(to - from - 1)](args, first,
                                                           args.begin + from * S::kLanes);
  }
}

template <class S, class Tap>
void run_sparse_conv(const SparseConvArgs<Tap>& args) {
  if (args.end <= args.begin) return;
  constexpr int kMost = kMostVectors<S, Tap>;
  const std::int64_t vectors = (args.end - args.begin + S::kLanes - 1) / S::kLanes;
  const std::int64_t tile = std::clamp<std::int64_t>(args.tile, 1, kMost);
  const std::int64_t tiles = (vectors + tile - 1) / tile;
  // Several images at once only where a whole range is small.
  const std::int64_t at_once = tiles > 1 ? 1 : std::min<std::int64_t>(kMostImages, kMost / vectors);
  for (std::int64_t n = 0; n < args.images;) {
    const std::int64_t left = args.images - n;
    // Four are two and two, not three and one.
    const std::int64_t now =
        left == 4 ? std::min<std::int64_t>(2, at_once) : std::min(left, at_once);
    if constexpr (kMost >= 3) {
      if (now >= 3) {
        run_images<S, Tap, 3>(args, n, tiles);
        n += 3;
        continue;
      }
    }
    if constexpr (kMost >= 2) {
      if (now == 2) {
        run_images<S, Tap, 2>(args, n, tiles);
        n += 2;
        continue;
      }
    }
    run_images<S, Tap, 1>(args, n, tiles);
    ++n;
  }
}

}  // namespace
}  // namespace niwaki::kernels
