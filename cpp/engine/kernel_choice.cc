#include "engine/kernel_choice.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/text.h"
#include "engine/tune.h"

namespace niwaki {
namespace {

std::string known_isas() {
  std::string names = "auto";
  for (kernels::Isa isa : kernels::available_isas()) names += concat(", ", isa_name(isa));
  return concat(names, ", reference");
}

}  // namespace

KernelChoice::KernelChoice(const std::string& isa, const std::vector<std::string>& forced,
                           Chooser* chooser)
    : isa_(kernels::best_isa()), automatic_(isa == "auto"), chooser_(chooser) {
  auto parsed = kernels::parse_isa(isa);
  if (!parsed || !kernels::is_available(*parsed)) {
    throw Error(ErrorKind::kRegistry, "isa", concat("the name must be one of ", known_isas()),
                concat("'", isa, "'"));
  }
  isa_ = *parsed;
  isa_name_ = kernels::isa_name(isa_);
  for (const std::string& name : forced) {
    if (const conv::Row* row = conv::find_algorithm(name); row != nullptr) {
      forced_algorithms_.push_back(row);
      continue;
    }
    const kernels::KernelEntry* entry = kernels::find_kernel_named(name);
    if (entry == nullptr || !kernels::is_available(entry->isa)) {
      throw Error(ErrorKind::kRegistry, "kernels", "the kernel must exist and run on this CPU",
                  concat("'", name, "'"), "niwaki.runtime.kernels() lists them");
    }
    forced_.push_back(entry);
  }
}

const kernels::KernelEntry* KernelChoice::find(std::string_view op) const {
  for (const kernels::KernelEntry* entry : forced_) {
    if (entry->op == op) return entry;
  }
  const kernels::KernelEntry* entry = kernels::find_kernel(op, isa_);
  if (entry == nullptr) {
    throw Error(ErrorKind::kUnsupportedOp, "kernels", concat("op ", op, " must have a kernel"),
                concat("none for ", isa_name_));
  }
  return entry;
}

conv::Choice KernelChoice::choose_convolution(const std::string& layer,
                                              const conv::Problem& problem) const {
  for (const conv::Row* row : forced_algorithms_) {
    if (row->applies(problem)) return {row, row->tunings(problem).front(), "forced by name"};
  }
  if (chooser_ != nullptr) return chooser_->choose(layer, problem);
  return conv::choose_by_estimate(problem);
}

std::string KernelChoice::reason(const kernels::KernelEntry* entry) const {
  if (std::find(forced_.begin(), forced_.end(), entry) != forced_.end()) return "forced by name";
  if (!automatic_) return concat("best within isa=", isa_name_, ", as asked");
  return concat("best for this CPU (", isa_name_, ")");
}

}  // namespace niwaki
