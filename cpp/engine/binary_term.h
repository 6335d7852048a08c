// The binary branch of a float layer (BAP) as a term on planes: what a convolution algorithm adds
// at its store, so that the layer's output is written once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/binary_branch.h"
#include "engine/binary_slices.h"
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
  std::string kernel() const {
    return std::string(slices_ != nullptr ? slices_->kernel()->name : entry_->name);
  }

  // The layer of the threshold that makes its bits, where it does that work itself in a run of the
  // whole network; -1 where it takes words.
  int threshold() const { return threshold_; }

  // One image: `output` becomes scale * sums [+ residual]. Its pad columns are left as they were,
  // or get some number.
  struct Call {
    uint8_t* scratch;
    const float* x;         // origin of the layer's floats, which the threshold tests too
    const float* residual;  // origin of the layer's shortcut, or nullptr
    float* output;          // origin, in planes()
  };
  void run(Run& run, const Call& call) const;

  // The same on one thread, where it goes in parts (0: it doesn't), each of positions [first_of(k),
  // first_of(k + 1)) of the flat axis. The residual may lie in the output's memory then.
  int64_t parts() const { return slices_ != nullptr ? slices_->tiles() : 0; }
  int64_t first_of(int64_t part) const { return slices_->first_of(part); }
  void begin(Run& run, const Call& call) const;
  void part(Run& run, const Call& call, int64_t index) const;

  // Room for the term in the scratch.
  float* origin(uint8_t* scratch) const {
    return reinterpret_cast<float*>(scratch + bits_bytes()) + kernels::elements_before(planes_);
  }

 private:
  size_t bits_bytes() const;
  void find_threshold(const LayerReader& reader, const KernelChoice& choice,
                      const kernels::Window& window);
  BinarySlices::Call slices_call(const Run& run, const Call& call) const;
  void run_slices(Run& run, const BinarySlices::Call& call) const;
  void run_counts(Run& run, const Call& call) const;

  int bits_ = -1;
  int threshold_ = -1;
  int64_t outputs_ = 0;
  std::unique_ptr<BinaryBranch> branch_;
  std::unique_ptr<BinarySlices> slices_;  // or nullptr: popcounts, by the branch
  std::vector<float> scale_;
  kernels::Planes planes_, residual_;
  const kernels::KernelEntry* entry_ = nullptr;
};

}  // namespace niwaki
