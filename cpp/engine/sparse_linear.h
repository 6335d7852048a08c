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

// Rows [cuts[k], cuts[k + 1]) for each of `parts` threads, with as equal numbers of entries as
// whole rows allow; `starts` are EntryLists::starts.
std::vector<int64_t> cut_rows(const std::vector<int32_t>& starts, int64_t parts);

// Rows [first_row, last_row) of the weights in tiles: LinearForm::bcsc or ::bits. Each thread has
// its own, so that tiles of 256 rows don't decide where one's part ends.
class TiledLinear {
 public:
  TiledLinear(LinearForm form, const EntryLists& lists, int64_t first_row, int64_t last_row,
              int64_t inputs, const KernelChoice& choice);

  const kernels::KernelEntry* kernel() const { return kernel_; }
  size_t packed_bytes() const;

  // Writes the outputs of its rows; `output` is that of row 0.
  void run(const float* input, float* output) const;

 private:
  void pack(const EntryLists& lists);

  LinearForm form_;
  int64_t first_row_, outputs_, inputs_;
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
