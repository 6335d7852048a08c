#include "split_phases/split.h"

namespace niwaki::kernels {

void split_phases_f32_x86_avx512(const SplitPhasesF32Args& args) {
  run_split_phases<simd::Avx512>(args);
}

}  // namespace niwaki::kernels
