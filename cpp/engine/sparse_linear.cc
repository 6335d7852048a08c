#include "engine/sparse_linear.h"

#include <algorithm>

#include "bcsc/bcsc.h"
#include "bits_gemm/bits_gemm.h"
#include "linear/linear.h"

namespace niwaki {

using namespace kernels;

namespace {

// BCSC counts inside a tile in 16 bits; tall tiles have fewer column ends to mispredict.
constexpr int64_t kBcscTileColumns = 128;
constexpr int64_t kBitsTileRows = 64;
constexpr int64_t kBitsTileColumns = 64;
// Above it, dense weights come from memory instead of a cache that cores share.
constexpr double kCachedWeights = 4e6;

int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

template <class Op>
bool is_forced(const KernelChoice& choice) {
  return choice.reason(choice.choose<Op>().entry) == "forced by name";
}

}  // namespace

LinearForm choose_linear_form(int64_t outputs, int64_t inputs, int64_t kept,
                              const KernelChoice& choice) {
  if (is_forced<LinearSparseF32>(choice)) return LinearForm::entries;
  if (is_forced<BcscF32>(choice)) return LinearForm::bcsc;
  if (is_forced<BitsGemvF32>(choice)) return LinearForm::bits;
  const Isa isa = choice.choose<BitsGemvF32>().entry->isa;
  // Only these have been measured; anything else keeps the plain form.
  if (isa != Isa::x86_avx2 && isa != Isa::x86_avx512) return LinearForm::entries;
  // Nanoseconds on Zen 4, one image, 100 to 4096 outputs (docs/methods/bcsc-bitsgemm.md).
  const auto weights = static_cast<double>(outputs) * static_cast<double>(inputs);
  const auto columns = static_cast<double>(inputs);
  const double costs[] = {
      0.75 * static_cast<double>(kept),
      0.33 * static_cast<double>(kept) +
          3.1 * columns * static_cast<double>(blocks_of(outputs, kBcscRows)),
      // Without vpexpandps it is BCSC with a column end for each 64 rows.
      isa == Isa::x86_avx512
          ? 7.0 * columns * static_cast<double>(blocks_of(outputs, kBitsTileRows))
          : 1e30,
      (weights > kCachedWeights ? 0.18 : 0.055) * weights,
  };
  return static_cast<LinearForm>(std::min_element(std::begin(costs), std::end(costs)) - costs);
}

TiledLinear::TiledLinear(LinearForm form, const EntryLists& lists, int64_t first_row,
                         int64_t last_row, int64_t inputs, const KernelChoice& choice)
    : form_(form),
      first_row_(first_row),
      outputs_(last_row - first_row),
      inputs_(inputs),
      tile_rows_(form == LinearForm::bcsc ? kBcscRows : kBitsTileRows),
      tile_columns_(form == LinearForm::bcsc ? kBcscTileColumns : kBitsTileColumns),
      blocks_(blocks_of(outputs_, tile_rows_)),
      across_(blocks_of(inputs, tile_columns_)),
      kernel_(form == LinearForm::bcsc ? choice.choose<BcscF32>().entry
                                       : choice.choose<BitsGemvF32>().entry) {
  static_assert(kBcscRows * kBcscTileColumns < 1 << 16);
  pack(lists);
}

size_t TiledLinear::packed_bytes() const {
  return block_starts_.size() * sizeof(uint32_t) + column_starts_.size() * sizeof(uint16_t) +
         rows_.size() + mask_.size() * sizeof(uint64_t) + values_.size() * sizeof(float);
}

// Counts the entries of each column of each tile, then puts them there: rows rise by themselves,
// since the lists go row by row.
void TiledLinear::pack(const EntryLists& lists) {
  const int64_t tiles = blocks_ * across_;
  const bool is_bcsc = form_ == LinearForm::bcsc;
  std::vector<uint32_t> next(static_cast<size_t>(tiles * tile_columns_ + 1));
  const auto column_of = [&](int64_t row, int64_t position) {
    const int64_t tile = row / tile_rows_ * across_ + position / tile_columns_;
    return static_cast<size_t>(tile * tile_columns_ + position % tile_columns_);
  };
  const int32_t* starts = lists.starts.data() + first_row_;
  const auto count = static_cast<size_t>(starts[outputs_] - starts[0]);
  for (int64_t row = 0; row < outputs_; ++row) {
    for (int32_t e = starts[row]; e < starts[row + 1]; ++e) {
      ++next[column_of(row, lists.entries[e].position) + 1];
    }
  }
  for (size_t k = 1; k < next.size(); ++k) next[k] += next[k - 1];
  for (int64_t tile = 0; tile <= tiles; ++tile) {
    block_starts_.push_back(next[static_cast<size_t>(tile * tile_columns_)]);
  }
  if (is_bcsc) {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      for (int64_t q = 0; q <= tile_columns_; ++q) {
        column_starts_.push_back(static_cast<uint16_t>(
            next[static_cast<size_t>(tile * tile_columns_ + q)] - block_starts_[tile]));
      }
    }
    rows_.resize(count + kBcscSlack);
  } else {
    mask_.resize(static_cast<size_t>(tiles * tile_columns_));  // a word per column of 64 rows
  }
  values_.resize(count + std::max(kBcscSlack, kBitsGemvSlack));
  for (int64_t row = 0; row < outputs_; ++row) {
    for (int32_t e = starts[row]; e < starts[row + 1]; ++e) {
      const size_t column = column_of(row, lists.entries[e].position);
      const uint32_t at = next[column]++;
      values_[at] = lists.entries[e].value;
      if (is_bcsc) {
        rows_[at] = static_cast<uint8_t>(row % tile_rows_);
      } else {
        mask_[column] |= uint64_t{1} << (row % tile_rows_);
      }
    }
  }
}

void TiledLinear::run(const float* input, float* output) const {
  if (outputs_ == 0) return;
  output += first_row_;
  if (form_ == LinearForm::bcsc) {
    Kernel<BcscF32>{kernel_}({block_starts_.data(), column_starts_.data(), rows_.data(),
                              values_.data(), tile_rows_, tile_columns_, outputs_, inputs_, 0,
                              blocks_, input, 1, inputs_, output, outputs_});
  } else {
    Kernel<BitsGemvF32>{kernel_}({{mask_.data(), block_starts_.data(), values_.data(), tile_rows_,
                                   tile_columns_, outputs_, inputs_},
                                  0,
                                  blocks_,
                                  input,
                                  1,
                                  inputs_,
                                  output,
                                  outputs_});
  }
}

std::vector<int64_t> cut_rows(const std::vector<int32_t>& starts, int64_t parts) {
  std::vector<int64_t> cuts;
  const int64_t all = starts.back();
  for (int64_t part = 0; part < parts; ++part) {
    // The row that begins nearest to the part's share.
    const auto share = static_cast<int32_t>(all * part / parts);
    auto row = std::lower_bound(starts.begin(), starts.end(), share);
    if (row != starts.begin() && share - row[-1] < *row - share) --row;
    cuts.push_back(row - starts.begin());
  }
  cuts[0] = 0;
  cuts.push_back(static_cast<int64_t>(starts.size()) - 1);
  return cuts;
}

std::vector<float> dense_rows(const EntryLists& lists, int64_t outputs, int64_t inputs) {
  std::vector<float> rows(static_cast<size_t>(outputs * inputs));
  for (int64_t row = 0; row < outputs; ++row) {
    for (int32_t e = lists.starts[row]; e < lists.starts[row + 1]; ++e) {
      rows[static_cast<size_t>(row * inputs + lists.entries[e].position)] = lists.entries[e].value;
    }
  }
  return rows;
}

}  // namespace niwaki
