#include "roofline/loops.h"

namespace niwaki::kernels {

const RooflineLoops kRooflineAvx2 = kLoops<simd::Avx2, Avx2Bits>;

}  // namespace niwaki::kernels
