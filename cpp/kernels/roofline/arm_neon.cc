#include "roofline/loops.h"

namespace niwaki::kernels {

const RooflineLoops kRooflineNeon = kLoops<simd::Neon, NeonBits>;

}  // namespace niwaki::kernels
