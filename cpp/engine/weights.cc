#include "engine/weights.h"

#include <algorithm>
#include <cmath>

#include "engine/text.h"

#include "conv_b1/conv_b1.h"

namespace niwaki {
namespace {

template <typename T>
void add_dense_row(const T* row, int64_t inputs, int64_t taps, std::vector<Entry>& entries) {
  // The tensor is (inputs, taps) per output; positions have the input fastest.
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t input = 0; input < inputs; ++input) {
      const T value = row[input * taps + tap];
      if (value != T{0}) {
        entries.push_back({static_cast<int32_t>(tap * inputs + input), static_cast<float>(value)});
      }
    }
  }
}

}  // namespace

double EntryLists::largest_row_sum() const {
  double largest = 0;
  for (size_t output = 0; output + 1 < starts.size(); ++output) {
    double sum = 0;
    for (int32_t e = starts[output]; e < starts[output + 1]; ++e) sum += std::abs(entries[e].value);
    largest = std::max(largest, sum);
  }
  return largest;
}

EntryLists entries_of_dense(const Tensor& weight, int64_t outputs, int64_t inputs, int64_t taps) {
  EntryLists lists;
  lists.starts.push_back(0);
  const int64_t row_size = inputs * taps;
  for (int64_t output = 0; output < outputs; ++output) {
    if (weight.dtype == DType::kF32) {
      add_dense_row(weight.as<float>() + output * row_size, inputs, taps, lists.entries);
    } else {
      add_dense_row(weight.as<int8_t>() + output * row_size, inputs, taps, lists.entries);
    }
    lists.starts.push_back(static_cast<int32_t>(lists.entries.size()));
  }
  return lists;
}

EntryLists entries_of_sparse(const LayerReader& reader, int64_t outputs, int64_t row_size,
                             DType dtype) {
  const Tensor& counts = reader.tensor("weight.counts", {DType::kU16, DType::kS32}, {outputs});
  const Tensor& gaps = reader.tensor("weight.gaps", {DType::kU8}, {-1});
  const Tensor& values = reader.tensor("weight.values", {dtype}, {gaps.shape[0]});
  EntryLists lists;
  lists.starts.push_back(0);
  int64_t at = 0;
  for (int64_t output = 0; output < outputs; ++output) {
    const int64_t count =
        counts.dtype == DType::kU16 ? counts.as<uint16_t>()[output] : counts.as<int32_t>()[output];
    reader.require(count >= 0 && count <= gaps.shape[0] - at,
                   concat("weight.counts must add up to the ", gaps.shape[0], " entries"),
                   concat(count, " at channel ", output));
    int64_t position = -1;
    for (const int64_t end = at + count; at < end; ++at) {
      position += gaps.as<uint8_t>()[at] + 1;
      if (position >= row_size) {
        reader.fail(concat("an entry's position must be below ", row_size),
                    concat(position, " in channel ", output));
      }
      const float value = dtype == DType::kF32 ? values.as<float>()[at]
                                               : static_cast<float>(values.as<int8_t>()[at]);
      if (value != 0) lists.entries.push_back({static_cast<int32_t>(position), value});
    }
    lists.starts.push_back(static_cast<int32_t>(lists.entries.size()));
  }
  reader.require(at == gaps.shape[0], "weight.counts must add up to the entries",
                 concat(at, " of ", gaps.shape[0]));
  return lists;
}

TapOffsets::TapOffsets(const kernels::PlaneLayout& layout, int64_t outputs, int64_t groups) {
  const int64_t inputs = layout.channels / groups;
  for (int64_t i = 0; i < layout.window.kernel_h; ++i) {
    for (int64_t j = 0; j < layout.window.kernel_w; ++j) {
      for (int64_t c = 0; c < inputs; ++c) first_.push_back(tap_offset(layout, c, i, j));
    }
  }
  outputs_per_group_ = outputs / groups;
  // Channels are equally far apart in every phase.
  group_stride_ = groups > 1 ? tap_offset(layout, inputs, 0, 0) - tap_offset(layout, 0, 0, 0) : 0;
}

StreamF32 make_stream_f32(const EntryLists& lists, const TapOffsets& offsets) {
  StreamF32 stream;
  stream.starts = lists.starts;
  stream.entries.reserve(lists.entries.size());
  for (size_t output = 0; output + 1 < lists.starts.size(); ++output) {
    for (int32_t e = lists.starts[output]; e < lists.starts[output + 1]; ++e) {
      const Entry& entry = lists.entries[e];
      stream.entries.push_back(
          {offsets(static_cast<int64_t>(output), entry.position), entry.value});
    }
  }
  return stream;
}

StreamI16 make_stream_i16(const EntryLists& lists, const TapOffsets& offsets) {
  StreamI16 stream;
  stream.starts.push_back(0);
  for (size_t output = 0; output + 1 < lists.starts.size(); ++output) {
    for (int32_t e = lists.starts[output]; e < lists.starts[output + 1]; e += 2) {
      const Entry& first = lists.entries[e];
      const bool paired = e + 1 < lists.starts[output + 1];
      // An odd one is completed by itself with a weight of 0.
      const Entry second = paired ? lists.entries[e + 1] : Entry{first.position, 0};
      const auto row = static_cast<int64_t>(output);
      stream.entries.push_back(
          {{offsets(row, first.position), offsets(row, second.position)},
           {static_cast<int16_t>(first.value), static_cast<int16_t>(second.value)}});
    }
    stream.starts.push_back(static_cast<int32_t>(stream.entries.size()));
  }
  return stream;
}

std::vector<float> pack_dense_f32(const EntryLists& lists, int64_t outputs, int64_t taps) {
  constexpr int64_t kBlock = kernels::kDenseBlock;
  const int64_t blocks = (outputs + kBlock - 1) / kBlock;
  std::vector<float> packed(static_cast<size_t>(blocks * taps * kBlock));
  for (int64_t output = 0; output < outputs; ++output) {
    for (int32_t e = lists.starts[output]; e < lists.starts[output + 1]; ++e) {
      const Entry& entry = lists.entries[e];
      packed[(output / kBlock * taps + entry.position) * kBlock + output % kBlock] = entry.value;
    }
  }
  return packed;
}

std::vector<int16_t> pack_dense_i16(const EntryLists& lists, int64_t outputs, int64_t pairs) {
  constexpr int64_t kBlock = kernels::kDenseBlock;
  const int64_t blocks = (outputs + kBlock - 1) / kBlock;
  std::vector<int16_t> packed(static_cast<size_t>(blocks * pairs * kBlock * 2));
  for (int64_t output = 0; output < outputs; ++output) {
    for (int32_t e = lists.starts[output]; e < lists.starts[output + 1]; ++e) {
      const Entry& entry = lists.entries[e];
      const int64_t pair = output / kBlock * pairs + entry.position / 2;
      packed[(pair * kBlock + output % kBlock) * 2 + entry.position % 2] =
          static_cast<int16_t>(entry.value);
    }
  }
  return packed;
}

std::vector<uint64_t> pack_binary(const Tensor& weight, int64_t outputs, int64_t words_per_output) {
  constexpr int64_t kBlock = kernels::kBinaryBlock;
  const int64_t blocks = (outputs + kBlock - 1) / kBlock;
  std::vector<uint64_t> packed(static_cast<size_t>(blocks * words_per_output * kBlock));
  for (int64_t output = 0; output < outputs; ++output) {
    for (int64_t word = 0; word < words_per_output; ++word) {
      packed[(output / kBlock * words_per_output + word) * kBlock + output % kBlock] =
          weight.as<uint64_t>()[output * words_per_output + word];
    }
  }
  return packed;
}

}  // namespace niwaki
