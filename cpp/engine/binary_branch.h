// The bits branch of a convolution: {0, 1} activations by {-1, +1} weights on bit words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/plane_layout.h"
#include "common/table.h"
#include "conv_b1/conv_b1.h"
#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "pad_planes/pad_planes.h"

namespace niwaki {

struct BinaryBranch {
  kernels::BinaryWindow window;
  kernels::PadWordsArgs padding;
  bool in_place = false;
  std::vector<uint64_t> weights;
  int64_t words_per_output = 0;
  const kernels::KernelEntry* pad = nullptr;
  const kernels::KernelEntry* ones = nullptr;
  const kernels::KernelEntry* conv = nullptr;

  int64_t pixels() const;      // of the output
  size_t words_bytes() const;  // of the padded words; 0 in place
  size_t ones_bytes() const;

  // Scratch: padded words; nothing in place.
  void pad_words(const uint8_t* image, uint8_t* scratch) const;

  // Scratch: padded words, then the ones of each window.
  void fill(const uint8_t* image, uint8_t* scratch) const;

  // Stores `outputs` s32 accumulator planes from output `first` on, a multiple of kBinaryBlock.
  void accumulate(const uint8_t* image, const uint8_t* scratch, int64_t first, int64_t outputs,
                  int32_t* acc) const;
};

// Reads the weights and chooses the kernels; binary_macs goes to `step`.
std::unique_ptr<BinaryBranch> build_binary_branch(const LayerReader& reader,
                                                  const KernelChoice& choice, int bits,
                                                  const kernels::Window& window, const Shape& out,
                                                  Step& step);

}  // namespace niwaki
