// One table of all kernels, fed by every family's kernels.inc, and the walk that chooses from it.
//
// A line of kernels.inc is
//     NIWAKI_KERNEL(Op, isa, function)
// and declares `void function(const Op::Args&)`, lists it, and makes it eligible: lines of one op
// are in order of preference, best first. The function's name is <op>_<a>_<w>_<acc>_<isa>, or with
// a word for the variant before the ISA where one ISA has several.
#pragma once

#include <span>
#include <string_view>

#include "common/isa.h"

namespace niwaki::kernels {

// Declare an op: what its kernels take, and the name it has in the table.
#define NIWAKI_OP(Op, ArgsType)                   \
  struct Op {                                     \
    using Args = ArgsType;                        \
    static constexpr std::string_view name = #Op; \
  }

using AnyFunction = void (*)();

struct KernelEntry {
  std::string_view name;    // the function's name
  std::string_view family;  // its folder
  std::string_view op;      // e.g. "ConvSparseF32"
  Isa isa;
  AnyFunction function;  // void (*)(const Op::Args&), cast
};

// Return every kernel that this build has, whether the CPU runs it or not.
std::span<const KernelEntry> all_kernels();

// Return the first kernel of the op that runs here and needs no more than `isa`; nullptr if none
// does (never for a listed op with its reference in the table).
const KernelEntry* find_kernel(std::string_view op, Isa isa);

// Return the kernel of that name, or nullptr.
const KernelEntry* find_kernel_named(std::string_view name);

// A chosen kernel, called like a function.
template <class Op>
struct Kernel {
  const KernelEntry* entry = nullptr;

  void operator()(const typename Op::Args& args) const {
    reinterpret_cast<void (*)(const typename Op::Args&)>(entry->function)(args);
  }
};

// Choose the op's best kernel for `isa` (best_isa(), or a lower one to force it).
template <class Op>
Kernel<Op> select_kernel(Isa isa) {
  return {find_kernel(Op::name, isa)};
}

}  // namespace niwaki::kernels
