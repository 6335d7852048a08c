#include "engine/unit_limits.h"

namespace niwaki {
namespace {

struct Test {
  float scale, bias, sign, level;
  bool relu;

  // Rounded step by step, whatever the compiler would like: stores keep it from fusing.
  bool operator()(int64_t acc) const {
    const volatile float product = static_cast<float>(acc) * scale;
    const volatile float sum = product + bias;
    const float y = relu && sum < 0 ? 0.0F : sum;
    return sign * y >= level;
  }
};

}  // namespace

UnitLimits find_limits(const std::vector<float>& scale, const std::vector<float>& bias, bool relu,
                       const std::vector<float>& sign, const std::vector<float>& level,
                       int64_t taps) {
  UnitLimits found;
  for (size_t o = 0; o < scale.size(); ++o) {
    const Test test{scale[o], bias[o], sign[o], level[o], relu};
    // Turned so that the test passes from some acc on.
    const int32_t turn = scale[o] * sign[o] < 0 ? -1 : 1;
    int64_t low = -taps;      // the least candidate
    int64_t high = taps + 1;  // passes nowhere below
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (test(turn * middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    found.sign.push_back(turn);
    found.limit.push_back(static_cast<int32_t>(low));
  }
  return found;
}

}  // namespace niwaki
