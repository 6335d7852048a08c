#include "common/table.h"

#include "families.h"  // made by CMake: includes every <family>/<family>.h

#if defined(__x86_64__)
#define NIWAKI_ON_x86_avx2(...) __VA_ARGS__
#define NIWAKI_ON_x86_avx512(...) __VA_ARGS__
#else
#define NIWAKI_ON_x86_avx2(...)
#define NIWAKI_ON_x86_avx512(...)
#endif
#if defined(__aarch64__)
#define NIWAKI_ON_arm_neon(...) __VA_ARGS__
#else
#define NIWAKI_ON_arm_neon(...)
#endif
#define NIWAKI_ON_portable(...) __VA_ARGS__
#define NIWAKI_ON_reference(...) __VA_ARGS__

namespace niwaki::kernels {

// kernels_of_all_families.inc is made by CMake: for every family, NIWAKI_FAMILY and its
// kernels.inc.
#define NIWAKI_KERNEL(Op, isa, function) NIWAKI_ON_##isa(void function(const Op::Args&);)
#include "kernels_of_all_families.inc"
#undef NIWAKI_KERNEL

namespace {

constexpr auto any = [](auto* function) { return reinterpret_cast<AnyFunction>(function); };

const KernelEntry kTable[] = {
#define NIWAKI_KERNEL(Op, isa, function) \
  NIWAKI_ON_##isa({#function, NIWAKI_FAMILY, Op::name, Isa::isa, any(&function)}, )
#include "kernels_of_all_families.inc"
#undef NIWAKI_KERNEL
};

}  // namespace

std::span<const KernelEntry> all_kernels() { return kTable; }

const KernelEntry* find_kernel(std::string_view op, Isa isa) {
  for (const KernelEntry& entry : kTable) {
    if (entry.op == op && entry.isa <= isa && is_available(entry.isa)) {
      return &entry;
    }
  }
  return nullptr;
}

const KernelEntry* find_kernel_named(std::string_view name) {
  for (const KernelEntry& entry : kTable) {
    if (entry.name == name) {
      return &entry;
    }
  }
  return nullptr;
}

}  // namespace niwaki::kernels
