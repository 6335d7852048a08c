#include "engine/conv/sparse_conv.h"

#include <cmath>

namespace niwaki::conv {

void cut_tasks(const Problem& problem, double milliseconds, SparsePlan& plan) {
  plan.ranges = plan.parts = 1;
  if (problem.threads <= 1) return;
  constexpr double kTaskMilliseconds = 0.01;
  const auto threads = static_cast<double>(problem.threads);
  const auto wanted =
      static_cast<int64_t>(std::clamp(milliseconds / kTaskMilliseconds, threads, 4 * threads));
  const int64_t tiles = (vectors_of(problem) + plan.tile - 1) / plan.tile;
  // Tasks of different pixels share no activations; those of different outputs read them twice.
  if (tiles >= wanted) {
    plan.ranges = wanted;
  } else {
    plan.parts = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(problem.output.channels / 8, 1));
  }
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

bool fits_offsets(const Problem& problem) {
  const Phases phases(problem);
  return problem.input.channels * phases.channel() < (int64_t{1} << 31) - (int64_t{1} << 16);
}

}  // namespace niwaki::conv
