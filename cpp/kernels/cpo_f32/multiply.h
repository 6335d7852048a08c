// The multiplication of cpo_f32.h, once for all instruction sets (hence the anonymous namespace).
#pragma once

#include <algorithm>
#include <utility>

#include "common/simd.h"
#include "cpo_f32/cpo_f32.h"

namespace niwaki::kernels {
namespace {

// The entries of one column that an output row reads, as CPO lists them ...
struct CpoRun {
  const float* value;
  const float* last;
  const std::uint16_t* place;

  CpoRun(const CpoMultiplyF32Args& args, std::int64_t column) {
    const std::int32_t* starts = args.starts + column * (args.height + 1);
    value = args.values + column * args.capacity + starts[args.first_row];
    last = args.values + column * args.capacity + starts[args.last_row];
    place = args.places + column * args.capacity + starts[args.first_row];
  }

  template <class Entry>
  NIWAKI_INLINE void for_each(const Entry& entry) const {
    const std::uint16_t* at = place;
    for (const float* v = value; v != last; ++v, ++at) entry(*v, std::int64_t{*at});
  }
};

// ... and as CPS does.
struct CpsRun {
  const float* value;
  const std::uint16_t* word;
  const std::uint16_t* last;

  CpsRun(const CpoMultiplyF32Args& args, std::int64_t column) {
    const std::int64_t row = column * (args.height + 1);
    const std::int64_t first = column * args.capacity;
    value = args.values + first + args.starts[row + args.first_row];
    word = args.places + first + args.words[row + args.first_row];
    last = args.places + first + args.words[row + args.last_row];
  }

  template <class Entry>
  NIWAKI_INLINE void for_each(const Entry& entry) const {
    const float* v = value;
    const std::uint16_t* at = word;
    while (at != last) {
      if ((*at & kCpsPrefix) == 0) {
        entry(*v++, std::int64_t{*at++});
        continue;
      }
      const std::int64_t place = *at & (kCpsPrefix - 1);
      for (unsigned set = at[1]; set != 0; set &= set - 1) {
        entry(*v++, place + __builtin_ctz(set));
      }
      at += 2;
    }
  }
};

template <class S, int kWindows, int kVectors>
struct CpoTile {
  using Vector = typename S::Vector;
  Vector sums[kWindows][kVectors];  // [k]: of the window that began k windows before the newest

  NIWAKI_INLINE void load(int k, const float* from) {
    for (int v = 0; v < kVectors; ++v) sums[k][v] = S::load(from + v * S::kLanes);
  }

  // Go to the next window: store the oldest, load the newest.
  NIWAKI_INLINE void advance(float* oldest, const float* newest) {
    for (int v = 0; v < kVectors; ++v) S::store(oldest + v * S::kLanes, sums[kWindows - 1][v]);
    for (int k = kWindows - 1; k > 0; --k) {
      for (int v = 0; v < kVectors; ++v) sums[k][v] = sums[k - 1][v];
    }
    load(0, newest);
  }

  // Add a run's products with kCount taps; place 0 has its weights at `first`.
  template <int kCount, class Run>
  NIWAKI_INLINE void add(const Run& run, const float* weights, std::int64_t first,
                         std::int64_t step, std::int64_t outputs) {
    run.for_each([&](float value, std::int64_t place) {
      const Vector x = S::broadcast(value);
      const float* w = weights + (first + place * step);
      for (int k = 0; k < kCount; ++k) {
        for (int v = 0; v < kVectors; ++v) {
          sums[k][v] = S::fma(x, S::load(w + k * outputs + v * S::kLanes), sums[k][v]);
        }
      }
    });
  }
};

template <class S, class Run, int kWindows, int kVectors>
void cpo_vectors(const CpoMultiplyF32Args& args, std::int64_t first_output) {
  const std::int64_t outputs = args.outputs;
  const std::int64_t step = args.kernel_w * outputs;
  const float* weights = args.weights + first_output;
  const std::int64_t start = -args.shift * step;
  // Phases of a column below `full` have kWindows taps, the others one less.
  const std::int64_t full = args.kernel_w - (kWindows - 1) * args.stride_w;
  float* slots = args.sums + first_output;
  CpoTile<S, kWindows, kVectors> tile;
  for (int k = 0; k < kWindows; ++k) tile.load(k, slots + (kWindows - 1 - k) * outputs);
  for (std::int64_t w = 0; w < args.windows + kWindows - 1; ++w) {
    const float* taps = weights;
    for (std::int64_t p = 0; p < args.stride_w; ++p) {
      const std::int64_t column = w * args.stride_w + p - args.pad_left;
      const bool there = column >= 0 && column < args.columns;
      if (p < full) {
        if (there) tile.template add<kWindows>(Run(args, column), taps, start, step, outputs);
        taps += kWindows * outputs;
      } else {
        if constexpr (kWindows > 1) {
          if (there) tile.template add<kWindows - 1>(Run(args, column), taps, start, step, outputs);
        }
        taps += (kWindows - 1) * outputs;
      }
    }
    tile.advance(slots + w * outputs, slots + (w + kWindows) * outputs);
  }
}

template <class S, class Run, int kWindows>
void cpo_windows(const CpoMultiplyF32Args& args) {
  constexpr int kMost = kWindows * 4 + 3 <= S::kRegisters ? 4 : 2;
  std::int64_t o = 0;
  for (; o + kMost * S::kLanes <= args.outputs; o += kMost * S::kLanes) {
    cpo_vectors<S, Run, kWindows, kMost>(args, o);
  }
  if constexpr (kMost > 2) {
    for (; o + 2 * S::kLanes <= args.outputs; o += 2 * S::kLanes) {
      cpo_vectors<S, Run, kWindows, 2>(args, o);
    }
  }
  for (; o < args.outputs; o += S::kLanes) cpo_vectors<S, Run, kWindows, 1>(args, o);
}

template <class S, class Run>
void cpo_multiply(const CpoMultiplyF32Args& args) {
  const std::int64_t overlaps = cpo_overlaps(args.kernel_w, args.stride_w);
  [&]<int... k>(std::integer_sequence<int, k...>) {
    ((overlaps == k + 1 ? cpo_windows<S, Run, k + 1>(args) : void()), ...);
  }(std::make_integer_sequence<int, kCpoMostWindows>{});
}

}  // namespace
}  // namespace niwaki::kernels
