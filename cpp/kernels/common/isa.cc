#include "common/isa.h"

#include <array>
#include <cstddef>

namespace niwaki::kernels {
namespace {

struct Named {
  Isa isa;
  const char* name;
};

constexpr std::array<Named, 5> kBestFirst{{{Isa::x86_avx512, "x86_avx512"},
                                           {Isa::x86_avx2, "x86_avx2"},
                                           {Isa::arm_neon, "arm_neon"},
                                           {Isa::portable, "portable"},
                                           {Isa::reference, "reference"}}};

struct Available {
  std::array<Isa, kBestFirst.size()> isas{};
  std::size_t count = 0;
};

Available find_available() {
  Available found;
  for (const Named& named : kBestFirst) {
    if (named.isa != Isa::reference && is_available(named.isa)) {
      found.isas[found.count++] = named.isa;
    }
  }
  return found;
}

}  // namespace

const char* isa_name(Isa isa) {
  for (const Named& named : kBestFirst) {
    if (named.isa == isa) {
      return named.name;
    }
  }
  return "unknown";
}

std::optional<Isa> parse_isa(std::string_view name) {
  if (name == "auto") {
    return best_isa();
  }
  for (const Named& named : kBestFirst) {
    if (name == named.name) {
      return named.isa;
    }
  }
  return std::nullopt;
}

bool is_available(Isa isa) {
  switch (isa) {
    case Isa::reference:
    case Isa::portable:
      return true;
    case Isa::arm_neon:
#if defined(__aarch64__)
      return true;
#else
      return false;
#endif
    case Isa::x86_avx2:
#if defined(__x86_64__)
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("popcnt");
#else
      return false;
#endif
    case Isa::x86_avx512:
#if defined(__x86_64__)
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq");
#else
      return false;
#endif
  }
  return false;
}

std::span<const Isa> available_isas() {
  static const Available available = find_available();
  return {available.isas.data(), available.count};
}

Isa best_isa() { return available_isas().front(); }

}  // namespace niwaki::kernels
