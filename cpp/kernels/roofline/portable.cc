#include "roofline/loops.h"

namespace niwaki::kernels {

const RooflineLoops kRooflinePortable = kLoops<simd::Portable, PortableBits>;

}  // namespace niwaki::kernels
