#include "engine/conv/sparse_conv.h"

#include <algorithm>

namespace niwaki::conv {

void cut_tasks(const Problem& problem, double milliseconds, SparsePlan& plan) {
  plan.ranges = plan.parts = 1;
  if (problem.threads <= 1) return;
  constexpr double kTaskMilliseconds = 0.01;
  constexpr int64_t kMostRanges = 8;  // for each thread
  const int64_t threads = problem.threads;
  const auto wanted =
      std::clamp(static_cast<int64_t>(milliseconds / kTaskMilliseconds), threads, 4 * threads);
  const int64_t lines = std::max<int64_t>((problem.output.pixels() + 15) / 16, 1);
  const int64_t parts = std::max<int64_t>(problem.output.channels / 8, 1);
  const int64_t tiles = (vectors_of(problem) + plan.tile - 1) / plan.tile;
  // A range is some whole tiles, as others would leave a small one each, or two vectors at least;
  // every thread gets as many. Ranges share no activations, which parts of the outputs all read:
  // parts only where ranges are too few.
  const int64_t group = (tiles + kMostRanges * threads - 1) / (kMostRanges * threads);
  const int64_t ranges = (tiles + group - 1) / group;
  plan.ranges = std::min((ranges + threads - 1) / threads * threads,
                         std::max(lines / 2, std::min(tiles, lines)));
  if (plan.outputs) plan.ranges = 1;
  int64_t wanted_parts = (wanted + plan.ranges - 1) / plan.ranges;
  if (plan.ranges % threads != 0) wanted_parts = (wanted_parts + threads - 1) / threads * threads;
  plan.parts = std::min(wanted_parts, parts);
}

int64_t lanes_of(kernels::Isa isa) {
  switch (isa) {
    case kernels::Isa::x86_avx512:
      return 16;
    case kernels::Isa::arm_neon:
      return 4;
    default:
      return 8;
  }
}

int64_t vectors_of(const Problem& problem) {
  const int64_t lanes = lanes_of(problem.isa);
  return (problem.output.pixels() + lanes - 1) / lanes;
}

bool has_short_ranges(const Problem& problem) {
  constexpr int64_t kShort = 2;  // vectors of a thread
  return problem.threads > 1 && vectors_of(problem) <= kShort * problem.threads &&
         problem.output.channels >= 16 * problem.threads;
}

bool fits_offsets(const Problem& problem) {
  const Phases phases(problem);
  return problem.input.channels * phases.channel() < (int64_t{1} << 31) - (int64_t{1} << 16);
}

}  // namespace niwaki::conv
