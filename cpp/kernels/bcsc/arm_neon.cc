#include "bcsc/columns.h"

namespace niwaki::kernels {

void bcsc_f32_f32_f32_arm_neon(const BcscF32Args& args) { bcsc_f32<simd::Neon>(args); }
void bcsc_i16_i8_i32_arm_neon(const BcscI16Args& args) { bcsc_i16(args); }

}  // namespace niwaki::kernels
