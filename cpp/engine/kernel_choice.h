// Which kernel runs an op: the best one of an ISA, or one forced by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/isa.h"
#include "common/table.h"
#include "engine/conv/conv.h"

namespace niwaki {

class Chooser;  // engine/tune.h

class KernelChoice {
 public:
  // `isa` is "auto" or a name; `forced` are names of kernels, each used for its op, or of
  // convolution algorithms, used wherever they apply. Throws Error (kRegistry, kUnsupportedOp) for
  // an unknown name, or one that this CPU doesn't run.
  KernelChoice(const std::string& isa, const std::vector<std::string>& forced,
               Chooser* chooser = nullptr);

  // The algorithm forced, else what the chooser says, else the least estimate.
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
  Chooser* chooser_;
  int threads_ = 1;
  int64_t images_ = 1;
};

}  // namespace niwaki
