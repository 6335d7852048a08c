#include "planes_f32/rows.h"

namespace niwaki::kernels {

void map_planes_f32_x86_avx512(const MapPlanesF32Args& args) { map_planes<simd::Avx512>(args); }

void pool_planes_f32_x86_avx512(const PoolPlanesF32Args& args) { pool_planes<simd::Avx512>(args); }

}  // namespace niwaki::kernels
