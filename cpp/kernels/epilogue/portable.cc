#include "epilogue/epilogue.h"
#include "epilogue/rows.h"

namespace niwaki::kernels {

void epilogue_f32_portable(const EpilogueF32Args& args) { run_epilogue(args); }
void requantize_u8_portable(const RequantizeU8Args& args) { run_requantize(args); }
void requantize_i8_portable(const RequantizeS8Args& args) { run_requantize(args); }
void sum_i32_portable(const SumS32Args& args) { run_sum(args); }

}  // namespace niwaki::kernels
