// Which kernel runs an op: the best one of an ISA, or one forced by name.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/isa.h"
#include "common/table.h"
#include "engine/conv/conv.h"

namespace niwaki {

// Measured elsewhere: which algorithm runs a layer's float convolution.
struct ConvChoice {
  std::string algorithm;
  conv::Tuning tuning;
  std::string reason;
};
using ConvChoices = std::unordered_map<std::string, ConvChoice>;  // by layer name

// Reads {"layer": {"algorithm": "sparse", "tuning": {"tile": 8}, "reason": "..."}}; the last two
// may be missing. Throws Error (kFormat) where the text is another.
ConvChoices parse_choices(const std::string& json);

class KernelChoice {
 public:
  // `isa` is "auto" or a name; `forced` are names of kernels, each used for its op, or of
  // convolution algorithms, used wherever they apply. Throws Error (kRegistry, kUnsupportedOp) for
  // an unknown name, or one that this CPU doesn't run.
  KernelChoice(const std::string& isa, const std::vector<std::string>& forced,
               ConvChoices choices = {});

  // The algorithm forced, else the layer's choice, else the least estimate; one that doesn't apply
  // (a choice made for another file) is passed over.
  conv::Choice choose_convolution(const std::string& layer, const conv::Problem& problem) const;

  template <class Op>
  kernels::Kernel<Op> choose() const {
    return {find(Op::name)};
  }

  // The reason, as explain() gives it.
  std::string reason(const kernels::KernelEntry* entry) const;

  const std::string& isa_name() const { return isa_name_; }
  kernels::Isa isa() const { return isa_; }

  // For the layer that is built: threads of the engine, images that it may run at once.
  void set_threads(int threads) { threads_ = threads; }
  void set_images(int64_t images) { images_ = images; }
  int threads() const { return threads_; }
  int64_t images() const { return images_; }

 private:
  const kernels::KernelEntry* find(std::string_view op) const;

  kernels::Isa isa_;
  bool automatic_;
  std::string isa_name_;
  std::vector<const kernels::KernelEntry*> forced_;
  std::vector<const conv::Row*> forced_algorithms_;
  ConvChoices choices_;
  int threads_ = 1;
  int64_t images_ = 1;
};

}  // namespace niwaki
