#include "engine/conv/sparse_stream.h"

namespace niwaki::conv {

TapPlace place_of(const Problem& problem, const Phases& phases, int64_t output, int32_t position) {
  const int64_t inputs = problem.inputs_per_group();
  const int64_t tap = position / inputs;
  const int64_t i = tap / problem.window.kernel_w;
  const int64_t j = tap % problem.window.kernel_w;
  const int64_t channel = output / problem.outputs_per_group() * inputs + position % inputs;
  const int64_t order = (channel * problem.window.kernel_h + i) * problem.window.kernel_w + j;
  return {channel, order, channel * phases.channel() + phases.tap(i, j)};
}

}  // namespace niwaki::conv
