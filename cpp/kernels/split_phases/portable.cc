#include "split_phases/split.h"

namespace niwaki::kernels {

void split_phases_f32_portable(const SplitPhasesF32Args& args) {
  run_split_phases<simd::Portable>(args);
}

}  // namespace niwaki::kernels
