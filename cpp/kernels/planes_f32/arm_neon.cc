#include "planes_f32/rows.h"

namespace niwaki::kernels {

void map_planes_f32_arm_neon(const MapPlanesF32Args& args) { map_planes<simd::Neon>(args); }

void pool_planes_f32_arm_neon(const PoolPlanesF32Args& args) { pool_planes<simd::Neon>(args); }

}  // namespace niwaki::kernels
