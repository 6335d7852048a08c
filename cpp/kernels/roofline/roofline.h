// Loops that run at a bound of the machine, to hold kernels against: multiply-adds from registers,
// multiply-adds that load, reading, and counting bits. engine/roofline.h times them. No
// kernels.inc: they compute nothing that anyone wants.
#pragma once

#include <cstdint>

namespace niwaki::kernels {

// Each runs `rounds` times over what it does, and returns a number that keeps the compiler honest.
struct RooflineLoops {
  std::int64_t lanes;
  std::int64_t fma_vectors;  // multiply-adds of vectors in a round of `fma`
  float (*fma)(std::int64_t rounds);
  // One multiply-add for each vector of [data, data + floats), which is a whole number of
  // kRooflineStep floats; data may be unaligned.
  float (*load)(const float* data, std::int64_t floats, std::int64_t rounds);
  // The same with an addition: for arrays beyond the L1 cache, where reading is the bound.
  float (*read)(const float* data, std::int64_t floats, std::int64_t rounds);
  // AND, popcount and addition of words of 64 bits from registers: `bit_words` in a round.
  std::int64_t bit_words;
  float (*bits)(std::int64_t rounds);
};

inline constexpr std::int64_t kRooflineStep = 128;

#if defined(__x86_64__)
extern const RooflineLoops kRooflineAvx512, kRooflineAvx2;
#endif
#if defined(__aarch64__)
extern const RooflineLoops kRooflineNeon;
#endif
extern const RooflineLoops kRooflinePortable;

}  // namespace niwaki::kernels
