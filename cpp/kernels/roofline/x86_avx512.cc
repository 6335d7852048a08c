#include "roofline/loops.h"

namespace niwaki::kernels {

const RooflineLoops kRooflineAvx512 = kLoops<simd::Avx512, Avx512Bits>;

}  // namespace niwaki::kernels
