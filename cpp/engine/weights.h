// Weights as the kernels take them, decoded once at load: tap offsets depend on the image's width.
#pragma once

#include <cstdint>
#include <vector>

#include "common/plane_layout.h"
#include "conv_f32/conv_f32.h"
#include "conv_i16/conv_i16.h"
#include "engine/layer_reader.h"
#include "engine/program.h"

namespace niwaki {

// One weight of an output channel: its position q = (i * kw + j) * (C / groups) + c, and its value.
struct Entry {
  int32_t position;
  float value;  // int8 weights are exact in it
};

// All outputs' entries, fillers and zeros left out.
struct EntryLists {
  std::vector<Entry> entries;
  std::vector<int32_t> starts;  // outputs + 1

  // Over outputs, the largest sum of |value|: what bounds an integer accumulator.
  double largest_row_sum() const;
};

// Reads `weight` (dense) as entries. `window` is 1x1 for linear layers, whose weight is (O, K).
EntryLists entries_of_dense(const Tensor& weight, int64_t outputs, int64_t inputs, int64_t taps);

// Reads `weight.counts`, `weight.gaps` and `weight.values`; each row has `row_size` positions.
EntryLists entries_of_sparse(const LayerReader& reader, int64_t outputs, int64_t row_size,
                             DType dtype);

// Where each (output, position) of a convolution lies in the padded scratch.
class TapOffsets {
 public:
  // `groups` parts: an output reads inputs of its own group only.
  TapOffsets(const kernels::PlaneLayout& layout, int64_t outputs, int64_t groups);

  int32_t operator()(int64_t output, int32_t position) const {
    return static_cast<int32_t>(first_[static_cast<size_t>(position)] +
                                output / outputs_per_group_ * group_stride_);
  }
  int64_t row_size() const { return static_cast<int64_t>(first_.size()); }

 private:
  std::vector<int64_t> first_;  // of group 0, by position
  int64_t outputs_per_group_;
  int64_t group_stride_;
};

// Streams of the sparse kernels; `starts` indexes them.
struct StreamF32 {
  std::vector<kernels::SparseEntryF32> entries;
  std::vector<int32_t> starts;
};
struct StreamI16 {
  std::vector<kernels::SparsePairI16> entries;
  std::vector<int32_t> starts;
};
StreamF32 make_stream_f32(const EntryLists& lists, const TapOffsets& offsets);
StreamI16 make_stream_i16(const EntryLists& lists, const TapOffsets& offsets);

// Dense weights in blocks of kDenseBlock outputs (groups = 1), taps in the order of positions.
std::vector<float> pack_dense_f32(const EntryLists& lists, int64_t outputs, int64_t taps);
std::vector<int16_t> pack_dense_i16(const EntryLists& lists, int64_t outputs, int64_t pairs);

// Words of binary weights (O, kh, kw, words) in blocks of kBinaryBlock outputs.
std::vector<uint64_t> pack_binary(const Tensor& weight, int64_t outputs, int64_t words_per_output);

}  // namespace niwaki
