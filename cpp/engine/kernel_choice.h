// Which kernel runs an op: the best one of an ISA, or one forced by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/isa.h"
#include "common/table.h"

namespace niwaki {

class KernelChoice {
 public:
  // `isa` is "auto" or a name; `forced` are kernel names, each used for its op. Throws Error
  // (kRegistry, kUnsupportedOp) for an unknown name, or one that this CPU doesn't run.
  KernelChoice(const std::string& isa, const std::vector<std::string>& forced);

  template <class Op>
  kernels::Kernel<Op> choose() const {
    return {find(Op::name)};
  }

  // The reason, as explain() gives it.
  std::string reason(const kernels::KernelEntry* entry) const;

  const std::string& isa_name() const { return isa_name_; }

 private:
  const kernels::KernelEntry* find(std::string_view op) const;

  kernels::Isa isa_;
  bool automatic_;
  std::string isa_name_;
  std::vector<const kernels::KernelEntry*> forced_;
};

}  // namespace niwaki
