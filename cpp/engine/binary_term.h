// The binary branch of a float layer (BAP) as a term on planes: what a convolution algorithm adds
// at its store, so that the layer's output is written once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/binary_branch.h"
#include "engine/conv/conv.h"
#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "engine/run.h"

namespace niwaki {

class BinaryTerm {
 public:
  // For the input `bits` of the reader's layer; `problem` has the geometry of output and residual.
  // binary_macs goes to `step`.
  BinaryTerm(const LayerReader& reader, const KernelChoice& choice, const kernels::Window& window,
             const conv::Problem& problem, Step& step);

  // Of the term: the output's geometry, as a buffer of its own.
  const kernels::Planes& planes() const { return planes_; }
  size_t scratch_bytes() const;
  size_t packed_bytes() const;
  std::string kernel() const { return std::string(entry_->name); }

  // Makes the term of one image in `scratch` and returns its origin: scale * sums [+ residual, the
  // origin of the layer's shortcut or nullptr]. Its pad columns are left as they were.
  const float* run(Run& run, uint8_t* scratch, const float* residual) const;

 private:
  size_t bits_bytes() const { return branch_->words_bytes() + branch_->ones_bytes(); }

  int bits_ = -1;
  int64_t outputs_ = 0;
  std::unique_ptr<BinaryBranch> branch_;
  std::vector<float> scale_;
  kernels::Planes planes_, residual_;
  const kernels::KernelEntry* entry_ = nullptr;
};

}  // namespace niwaki
