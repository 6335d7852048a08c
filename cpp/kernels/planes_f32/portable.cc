#include "planes_f32/rows.h"

namespace niwaki::kernels {

void map_planes_f32_portable(const MapPlanesF32Args& args) { map_planes<simd::Portable>(args); }

void pool_planes_f32_portable(const PoolPlanesF32Args& args) { pool_planes<simd::Portable>(args); }

}  // namespace niwaki::kernels
