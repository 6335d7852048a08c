#include "cpo_f32/encode.h"
#include "cpo_f32/multiply.h"
#include "cpo_f32/store.h"

namespace niwaki::kernels {

void cpo_encode_f32_f32_f32_x86_avx512(const CpoEncodeF32Args& args) {
  cpo_encode<simd::Avx512>(args);
}
void cps_encode_f32_f32_f32_x86_avx512(const CpoEncodeF32Args& args) {
  cps_encode<simd::Avx512>(args);
}

void cpo_multiply_f32_f32_f32_x86_avx512(const CpoMultiplyF32Args& args) {
  cpo_multiply<simd::Avx512, CpoRun>(args);
}
void cps_multiply_f32_f32_f32_x86_avx512(const CpoMultiplyF32Args& args) {
  cpo_multiply<simd::Avx512, CpsRun>(args);
}

void cpo_store_f32_f32_f32_x86_avx512(const CpoStoreF32Args& args) {
  cpo_store<simd::Avx512>(args);
}

}  // namespace niwaki::kernels
