#include "roofline/loops.h"

namespace niwaki::kernels {

const RooflineLoops kRooflinePortable = kLoops<simd::Portable>;

}  // namespace niwaki::kernels
