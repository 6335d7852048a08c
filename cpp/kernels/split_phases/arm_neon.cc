#include "split_phases/split.h"

namespace niwaki::kernels {

void split_phases_f32_arm_neon(const SplitPhasesF32Args& args) {
  run_split_phases<simd::Neon>(args);
}

}  // namespace niwaki::kernels
