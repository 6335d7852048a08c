// The epilogue in chunks of a few pixels, written so that the compiler turns each into vectors: the
// kernels of the instruction sets differ in flags only. Compiled once per set, hence the anonymous
// namespace.
#pragma once

#include <type_traits>

#include "epilogue/activations.h"
#include "epilogue/epilogue.h"

namespace niwaki::kernels {
namespace {

// Call run(c, y, x, output) for chunks of kLanes pixels that cover the output. A row's last chunk
// ends with the row and may overlap the one before it: the pixels of the overlap are computed
// twice, alike.
template <int kLanes, class Args, class Run>
void for_each_chunk(const Args& args, std::int64_t height, std::int64_t width, const Run& run) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t y = 0; y < height; ++y) {
      auto* row = args.output + (c * height + y) * width;
      for (std::int64_t x = 0; x < width; x += kLanes) {
        const std::int64_t start = x + kLanes <= width ? x : width - kLanes;
        run(c, y, start, row + start);
      }
    }
  }
}

// Call for_lanes(lanes, height, width) with the widest chunk that fits a row. Where all terms are
// compact, a plane is one long row.
template <class Args, class ForLanes>
void with_lanes(const Args& args, const ForLanes& for_lanes) {
  bool compact = true;
  for (int j = 0; j < args.count; ++j) {
    compact = compact && args.terms[j].row_stride == args.width;
  }
  const std::int64_t height = compact ? 1 : args.height;
  const std::int64_t width = compact ? args.height * args.width : args.width;
  if (width >= 16) {
    for_lanes(std::integral_constant<int, 16>{}, height, width);
  } else if (width >= 8) {
    for_lanes(std::integral_constant<int, 8>{}, height, width);
  } else if (width >= 4) {
    for_lanes(std::integral_constant<int, 4>{}, height, width);
  } else {
    for_lanes(std::integral_constant<int, 1>{}, height, width);
  }
}

template <int kLanes, class Sum, class X>
inline void add_scaled(Sum (&sums)[kLanes], const X* x, Sum scale) {
  NIWAKI_LANES for (int k = 0; k < kLanes; ++k) { sums[k] += scale * static_cast<Sum>(x[k]); }
}

// Add scale * term to the sums of the chunk that starts at (c, y, x).
template <int kLanes, class Sum, class Multiplier>
inline void add_term(Sum (&sums)[kLanes], const Term<Multiplier>& term, Sum scale, std::int64_t c,
                     std::int64_t y, std::int64_t x) {
  const std::int64_t place = c * term.channel_stride + y * term.row_stride + x;
  switch (term.type) {
    case TermType::f32:
      return add_scaled<kLanes>(sums, static_cast<const float*>(term.data) + place, scale);
    case TermType::s32:
      return add_scaled<kLanes>(sums, static_cast<const std::int32_t*>(term.data) + place, scale);
    case TermType::u8:
      return add_scaled<kLanes>(sums, static_cast<const std::uint8_t*>(term.data) + place, scale);
    case TermType::s8:
      return add_scaled<kLanes>(sums, static_cast<const std::int8_t*>(term.data) + place, scale);
  }
}

template <int kLanes>
void epilogue(const EpilogueF32Args& args, std::int64_t height, std::int64_t width) {
  for_each_chunk<kLanes>(
      args, height, width, [&](std::int64_t c, std::int64_t y, std::int64_t x, float* output) {
        float sums[kLanes];
        const float bias = args.bias == nullptr ? 0.0F : args.bias[c];
        NIWAKI_LANES for (int k = 0; k < kLanes; ++k) { sums[k] = bias; }
        for (int j = 0; j < args.count; ++j) {
          const float* scales = args.terms[j].multiplier;
          add_term<kLanes>(sums, args.terms[j], scales == nullptr ? 1.0F : scales[c], c, y, x);
        }
        activate<kLanes>(sums, args.activation);
        NIWAKI_LANES for (int k = 0; k < kLanes; ++k) { output[k] = sums[k]; }
      });
}

// In double, which is exact here: no sum leaves 50 bits, a division by a power of two keeps them
// all, and clipping at integers before rounding down is the same as after. AVX2 has no product and
// no arithmetic shift of 64-bit integers.
template <int kLanes, class Out>
void requantize(const RequantizeArgs<Out>& args, std::int64_t height, std::int64_t width) {
  const auto lo = static_cast<double>(args.lo);
  const auto hi = static_cast<double>(args.hi);
  for_each_chunk<kLanes>(
      args, height, width, [&](std::int64_t c, std::int64_t y, std::int64_t x, Out* output) {
        const double half = static_cast<double>(std::int64_t{1} << (args.shift[c] - 1));
        const double start = static_cast<double>(args.bias[c]) + half;
        double sums[kLanes];
        NIWAKI_LANES for (int k = 0; k < kLanes; ++k) { sums[k] = start; }
        for (int j = 0; j < args.count; ++j) {
          const double multiplier = args.terms[j].multiplier[c];
          add_term<kLanes>(sums, args.terms[j], multiplier, c, y, x);
        }
        const double scale = 0.5 / half;  // 2^-shift
        NIWAKI_LANES for (int k = 0; k < kLanes; ++k) {
          const double value = sums[k] * scale;
          const double raised = value < lo ? lo : value;
          const double bounded = raised > hi ? hi : raised;
          // A conversion rounds towards zero: down, once the number is positive.
          output[k] = static_cast<Out>(static_cast<std::int32_t>(bounded + 256.0) - 256);
        }
      });
}

// In unsigned integers: partial sums may wrap, the whole sum fits.
template <int kLanes>
void sum(const SumS32Args& args, std::int64_t height, std::int64_t width) {
  for_each_chunk<kLanes>(args, height, width,
                         [&](std::int64_t c, std::int64_t y, std::int64_t x, std::int32_t* output) {
                           std::uint32_t sums[kLanes];
                           const auto bias = static_cast<std::uint32_t>(args.bias[c]);
                           NIWAKI_LANES for (int k = 0; k < kLanes; ++k) { sums[k] = bias; }
                           for (int j = 0; j < args.count; ++j) {
                             add_term<kLanes>(sums, args.terms[j], std::uint32_t{1}, c, y, x);
                           }
                           NIWAKI_LANES for (int k = 0; k < kLanes; ++k) {
                             output[k] = static_cast<std::int32_t>(sums[k]);
                           }
                         });
}

inline void run_epilogue(const EpilogueF32Args& args) {
  with_lanes(args,
             [&](auto lanes, auto height, auto width) { epilogue<lanes()>(args, height, width); });
}

template <class Out>
void run_requantize(const RequantizeArgs<Out>& args) {
  with_lanes(
      args, [&](auto lanes, auto height, auto width) { requantize<lanes()>(args, height, width); });
}

inline void run_sum(const SumS32Args& args) {
  with_lanes(args, [&](auto lanes, auto height, auto width) { sum<lanes()>(args, height, width); });
}

}  // namespace
}  // namespace niwaki::kernels
