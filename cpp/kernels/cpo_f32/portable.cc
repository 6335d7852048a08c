#include "cpo_f32/encode.h"
#include "cpo_f32/multiply.h"
#include "cpo_f32/store.h"

namespace niwaki::kernels {

void cpo_encode_f32_f32_f32_portable(const CpoEncodeF32Args& args) {
  cpo_encode<simd::Portable>(args);
}
void cps_encode_f32_f32_f32_portable(const CpoEncodeF32Args& args) {
  cps_encode<simd::Portable>(args);
}

void cpo_multiply_f32_f32_f32_portable(const CpoMultiplyF32Args& args) {
  cpo_multiply<simd::Portable, CpoRun>(args);
}
void cps_multiply_f32_f32_f32_portable(const CpoMultiplyF32Args& args) {
  cpo_multiply<simd::Portable, CpsRun>(args);
}

void cpo_store_f32_f32_f32_portable(const CpoStoreF32Args& args) {
  cpo_store<simd::Portable>(args);
}

}  // namespace niwaki::kernels
