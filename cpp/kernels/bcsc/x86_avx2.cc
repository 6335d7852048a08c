#include "bcsc/columns.h"

namespace niwaki::kernels {

void bcsc_f32_f32_f32_x86_avx2(const BcscF32Args& args) { bcsc_f32<simd::Avx2>(args); }
void bcsc_i16_i8_i32_x86_avx2(const BcscI16Args& args) { bcsc_i16(args); }

}  // namespace niwaki::kernels
