// The bits branch of a layer on planes by full adders (kernels/slices_b1): where maps are large
// enough for whole vectors of pixels, less work than popcounts.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/planes.h"
#include "engine/kernel_choice.h"
#include "engine/weights.h"
#include "slices_b1/slices_b1.h"

namespace niwaki {

class BinarySlices {
 public:
  // What an image's bits are made of: padded words, or the floats behind their threshold.
  struct Source {
    const uint64_t* words = nullptr;
    const float* floats = nullptr;  // origin; where reads_floats()
  };
  // One image's sums: [residual +] scale * sums into `output`, the pad columns too; the residual
  // has the output's row, and may lie in its memory. `scratch` is scratch_bytes().
  struct Call {
    Source source;
    uint8_t* scratch;
    const float* scale;
    const float* residual;  // or nullptr
    int64_t residual_stride;
    float* output;
  };

  // For a map whose padded words a window with those pads reads, and outputs in `planes`; of
  // `weight`, (O, kh, kw, words). nullptr where popcounts are the better way, or the only one.
  static std::unique_ptr<BinarySlices> make(const KernelChoice& choice,
                                            const kernels::BinaryWindow& window,
                                            const kernels::Window& pads, int64_t channels,
                                            const kernels::Planes& planes, const Tensor& weight);

  // Lets it make the bits itself, of floats in `planes`, as a threshold does; false where it can't.
  bool read_floats(const KernelChoice& choice, const kernels::Window& pads,
                   const kernels::Planes& planes, const int8_t* sign, const float* level);
  bool reads_floats() const { return threshold_.entry != nullptr; }

  size_t scratch_bytes() const;
  size_t packed_bytes() const;
  const kernels::KernelEntry* kernel() const { return adders_.entry; }

  // An image in steps: the base first, then each tile's slices, then its outputs, by groups.
  void make_base(const Call& call) const;
  int64_t tiles() const { return geometry_.tiles(); }
  void make_tile(const Call& call, int64_t tile) const;
  int64_t groups() const { return (outputs_ + group_ - 1) / group_; }
  void add(const Call& call, int64_t tile, int64_t first_group, int64_t last_group) const;
  // Where a tile's positions begin; those of one that isn't there, where all end.
  int64_t first_of(int64_t tile) const;

 private:
  void pack(const Tensor& weight);
  uint64_t* slices(const Call& call, int64_t tile) const;
  int32_t* ones(const Call& call) const;
  uint64_t* base(const Call& call) const;

  kernels::SliceGeometry geometry_;
  bool shifts_ = false;
  int64_t kept_ = 1;  // tiles whose slices lie side by side
  int64_t outputs_ = 0, output_stride_ = 0;
  int64_t group_ = 2;   // outputs that share sums
  int64_t planes_ = 1;  // of counts
  std::vector<int32_t> counts_;
  std::vector<uint16_t> inputs_;
  std::vector<int64_t> starts_;  // of the groups, in inputs_
  std::vector<uint16_t> all_;    // inputs
  kernels::Kernel<kernels::SliceBase> base_;
  kernels::Kernel<kernels::SliceBits> bits_;
  kernels::Kernel<kernels::SliceOnes> ones_;
  kernels::Kernel<kernels::SlicesB1> adders_;
  // Where it reads floats.
  kernels::Kernel<kernels::SliceThreshold> threshold_;
  kernels::Planes floats_;
  std::vector<uint32_t> mask_;
  const int8_t* sign_ = nullptr;
  const float* level_ = nullptr;
  int64_t first_word_ = 0, lead_ = 0;
};

}  // namespace niwaki
