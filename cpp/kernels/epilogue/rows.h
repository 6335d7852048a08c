// The epilogue, a short row at a time, written so that the compiler turns it into vectors: the
// kernels of the instruction sets differ in flags only. Compiled once per set, hence the anonymous
// namespace.
#pragma once

#include "epilogue/activations.h"
#include "epilogue/epilogue.h"

namespace niwaki::kernels {
namespace {

// Sums live in a buffer of this many pixels on the stack, in the L1 cache for all terms.
constexpr std::int64_t kRow = 64;

// Call run(c, y, x, count, output) for runs of at most kRow pixels that cover the output. Where all
// terms are compact, a plane is one long row.
template <class Args, class Run>
void for_each_run(const Args& args, const Run& run) {
  bool compact = true;
  for (int j = 0; j < args.count; ++j) {
    compact = compact && args.terms[j].row_stride == args.width;
  }
  const std::int64_t height = compact ? 1 : args.height;
  const std::int64_t width = compact ? args.height * args.width : args.width;
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; x += kRow) {
        const std::int64_t count = width - x < kRow ? width - x : kRow;
        run(c, y, x, count, args.output + (c * height + y) * width + x);
      }
    }
  }
}

template <class Sum, class X, class Scale>
inline void add_scaled(Sum* sums, const X* x, Scale scale, std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    sums[k] += static_cast<Sum>(scale) * static_cast<Sum>(x[k]);
  }
}

// Add scale * term to the sums, for the run that starts at (c, y, x).
template <class Sum, class Multiplier, class Scale>
inline void add_term(Sum* sums, const Term<Multiplier>& term, Scale scale, std::int64_t c,
                     std::int64_t y, std::int64_t x, std::int64_t count) {
  const std::int64_t place = c * term.channel_stride + y * term.row_stride + x;
  switch (term.type) {
    case TermType::f32:
      return add_scaled(sums, static_cast<const float*>(term.data) + place, scale, count);
    case TermType::s32:
      return add_scaled(sums, static_cast<const std::int32_t*>(term.data) + place, scale, count);
    case TermType::u8:
      return add_scaled(sums, static_cast<const std::uint8_t*>(term.data) + place, scale, count);
    case TermType::s8:
      return add_scaled(sums, static_cast<const std::int8_t*>(term.data) + place, scale, count);
  }
}

inline void epilogue(const EpilogueF32Args& args) {
  for_each_run(
      args, [&](std::int64_t c, std::int64_t y, std::int64_t x, std::int64_t count, float* output) {
        float sums[kRow];
        const float bias = args.bias == nullptr ? 0.0F : args.bias[c];
        for (std::int64_t k = 0; k < count; ++k) {
          sums[k] = bias;
        }
        for (int j = 0; j < args.count; ++j) {
          const Term<float>& term = args.terms[j];
          const float scale = term.multiplier == nullptr ? 1.0F : term.multiplier[c];
          add_term(sums, term, scale, c, y, x, count);
        }
        activate(sums, count, args.activation);
        for (std::int64_t k = 0; k < count; ++k) {
          output[k] = sums[k];
        }
      });
}

template <class Out>
void requantize(const RequantizeArgs<Out>& args) {
  // AVX2 has no arithmetic shift of 64 bits. Lifted by 2^62, which is a multiple of 2^shift, a sum
  // is positive: then the logical shift rounds down as well.
  constexpr std::int64_t kLift = std::int64_t{1} << 62;
  for_each_run(
      args, [&](std::int64_t c, std::int64_t y, std::int64_t x, std::int64_t count, Out* output) {
        const int shift = args.shift[c];
        std::int64_t sums[kRow];
        const std::int64_t start = args.bias[c] + (std::int64_t{1} << (shift - 1)) + kLift;
        for (std::int64_t k = 0; k < count; ++k) {
          sums[k] = start;
        }
        for (int j = 0; j < args.count; ++j) {
          add_term(sums, args.terms[j], args.terms[j].multiplier[c], c, y, x, count);
        }
        const std::int64_t lowered = kLift >> shift;
        for (std::int64_t k = 0; k < count; ++k) {
          const auto lifted = static_cast<std::uint64_t>(sums[k]) >> shift;
          const std::int64_t value = static_cast<std::int64_t>(lifted) - lowered;
          const std::int64_t raised = value < args.lo ? args.lo : value;
          output[k] = static_cast<Out>(raised > args.hi ? args.hi : raised);
        }
      });
}

inline void sum(const SumS32Args& args) {
  for_each_run(args, [&](std::int64_t c, std::int64_t y, std::int64_t x, std::int64_t count,
                         std::int32_t* output) {
    std::int64_t sums[kRow];
    for (std::int64_t k = 0; k < count; ++k) {
      sums[k] = args.bias[c];
    }
    for (int j = 0; j < args.count; ++j) {
      add_term(sums, args.terms[j], std::int16_t{1}, c, y, x, count);
    }
    for (std::int64_t k = 0; k < count; ++k) {
      output[k] = static_cast<std::int32_t>(sums[k]);
    }
  });
}

}  // namespace
}  // namespace niwaki::kernels
