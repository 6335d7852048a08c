// Thresholds of integers: for which sums of a binary convolution the float test behind it passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace niwaki {

// bit = sign[o] * acc >= limit[o]; as many as the parameters they were made of.
struct UnitLimits {
  std::vector<int32_t> sign, limit;
};

// The limits for acc in [-taps, taps] that pass exactly where, in float32 and rounded step by step,
//
//   y = acc * scale[o] + bias[o] [, at least 0];   sign[o] * y >= level[o]
//
// y rises or falls with acc, roundings included, so the border is found by bisection and no float
// that decides a bit is left. taps < 2^30.
UnitLimits find_limits(const std::vector<float>& scale, const std::vector<float>& bias, bool relu,
                       const std::vector<float>& sign, const std::vector<float>& level,
                       int64_t taps);

}  // namespace niwaki
