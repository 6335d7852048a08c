// A sparse float linear layer for one image: which kernel, and its weights as packed for it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/kernel_choice.h"
#include "engine/weights.h"

namespace niwaki {

// How a layer whose weights are stored sparse runs.
enum class LinearForm {
  entries,  // LinearSparseF32: columns and values of each row
  bcsc,     // tiles, column by column: zero inputs skip their weights
  bits,     // tiles of 64 rows with a mask per column: the same time at any density
  dense,    // LinearDenseF32, zeros written out
};

// The least by rough costs, or the one whose kernel is forced by name.
LinearForm choose_linear_form(int64_t outputs, int64_t inputs, int64_t kept,
                              const KernelChoice& choice);

// Weights in tiles: LinearForm::bcsc or ::bits.
class TiledLinear {
 public:
  TiledLinear(LinearForm form, const EntryLists& lists, int64_t outputs, int64_t inputs,
              const KernelChoice& choice);

  const kernels::KernelEntry* kernel() const { return kernel_; }
  size_t packed_bytes() const;

  // Part `part` of `parts` contiguous ranges of block rows, with nearly equal non-zeros (none cut
  // could be moved by one block row and come nearer to its share): writes their outputs.
  void run(const float* input, int64_t part, int64_t parts, float* output) const;

 private:
  int64_t cut(int64_t part, int64_t parts) const;
  void pack(const EntryLists& lists);

  LinearForm form_;
  int64_t outputs_, inputs_;
  int64_t tile_rows_, tile_columns_;
  int64_t blocks_, across_;  // tiles down and across
  const kernels::KernelEntry* kernel_;
  std::vector<uint32_t> block_starts_;
  std::vector<uint16_t> column_starts_;  // bcsc
  std::vector<uint8_t> rows_;            // bcsc
  std::vector<uint64_t> mask_;           // bits
  std::vector<float> values_;
};

// Weights written out, (outputs, inputs): LinearForm::dense.
std::vector<float> dense_rows(const EntryLists& lists, int64_t outputs, int64_t inputs);

}  // namespace niwaki
