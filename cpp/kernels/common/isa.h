// The instruction sets that kernels are written for, and which of them this CPU has.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace niwaki::kernels {

// In rising order of what they need; a kernel of rank r may stand in wherever a higher rank is
// asked.
enum class Isa {
  reference,   // obvious loops, never optimised: what tests compare with
  portable,    // plain C++ for any CPU
  arm_neon,    // AArch64
  x86_avx2,    // AVX2, FMA, POPCNT
  x86_avx512,  // AVX-512 F, BW, DQ, VL, VNNI, VPOPCNTDQ (Ice Lake, Zen 4 and later)
};

// Return the name as it ends file and kernel names, e.g. "x86_avx2".
const char* isa_name(Isa isa);

// Return the ISA of that name; "auto" is the best one here; nothing for an unknown name.
std::optional<Isa> parse_isa(std::string_view name);

// Tell whether CPU and operating system run it.
bool is_available(Isa isa);

// Return the available ones, best first, without `reference`.
std::span<const Isa> available_isas();

// Return the first of available_isas().
Isa best_isa();

}  // namespace niwaki::kernels
