#include "engine/conv/sparse_stream.h"

namespace niwaki::conv {

TapPlaces::TapPlaces(const Problem& problem, const Phases& phases)
    : outputs_per_group_(problem.groups > 1 ? problem.outputs_per_group() : 0),
      inputs_per_group_(problem.inputs_per_group()),
      taps_(problem.window.kernel_h * problem.window.kernel_w),
      plane_(phases.channel()) {
  first_.reserve(static_cast<size_t>(problem.row_size()));
  for (int64_t i = 0; i < problem.window.kernel_h; ++i) {
    for (int64_t j = 0; j < problem.window.kernel_w; ++j) {
      const int64_t tap = i * problem.window.kernel_w + j;
      for (int64_t c = 0; c < inputs_per_group_; ++c) {
        first_.push_back({c, c * taps_ + tap, c * plane_ + phases.tap(i, j)});
      }
    }
  }
}

}  // namespace niwaki::conv
