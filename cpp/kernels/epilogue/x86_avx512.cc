#include "epilogue/epilogue.h"
#include "epilogue/rows.h"

namespace niwaki::kernels {

void epilogue_f32_x86_avx512(const EpilogueF32Args& args) { run_epilogue(args); }
void requantize_u8_x86_avx512(const RequantizeU8Args& args) { run_requantize(args); }
void requantize_i8_x86_avx512(const RequantizeS8Args& args) { run_requantize(args); }
void sum_i32_x86_avx512(const SumS32Args& args) { run_sum(args); }

}  // namespace niwaki::kernels
