#include "cpo_f32/encode.h"
#include "cpo_f32/multiply.h"
#include "cpo_f32/store.h"

namespace niwaki::kernels {

void cpo_encode_f32_f32_f32_arm_neon(const CpoEncodeF32Args& args) { cpo_encode<simd::Neon>(args); }
void cps_encode_f32_f32_f32_arm_neon(const CpoEncodeF32Args& args) { cps_encode<simd::Neon>(args); }

void cpo_multiply_f32_f32_f32_arm_neon(const CpoMultiplyF32Args& args) {
  cpo_multiply<simd::Neon, CpoRun>(args);
}
void cps_multiply_f32_f32_f32_arm_neon(const CpoMultiplyF32Args& args) {
  cpo_multiply<simd::Neon, CpsRun>(args);
}

void cpo_store_f32_f32_f32_arm_neon(const CpoStoreF32Args& args) { cpo_store<simd::Neon>(args); }

}  // namespace niwaki::kernels
