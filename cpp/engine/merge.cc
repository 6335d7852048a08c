#include "engine/merge.h"

#include <algorithm>
#include <cmath>

#include "engine/text.h"

namespace niwaki {

using kernels::EpilogueF32;
using kernels::RequantizeS8;
using kernels::RequantizeU8;
using kernels::SumS32;
using kernels::TermType;

Merge::Merge(const LayerReader& reader, const KernelChoice& choice)
    : reader_(reader),
      dtype_(reader.value(reader.layer().output).dtype),
      shape_(reader.value(reader.layer().output).shape) {
  switch (dtype_) {
    case DType::kF32:
      kernel_ = choice.choose<EpilogueF32>().entry;
      break;
    case DType::kU8:
      kernel_ = choice.choose<RequantizeU8>().entry;
      break;
    case DType::kS8:
      kernel_ = choice.choose<RequantizeS8>().entry;
      break;
    default:
      kernel_ = choice.choose<SumS32>().entry;
  }
}

void Merge::add_term(TermType type, int64_t channel_stride, int64_t row_stride,
                     std::string_view multiplier, double bound) {
  reader_.require(count_ < kernels::kMaxTerms, "at most 3 terms may meet", "more");
  const void* data = nullptr;
  if (dtype_ == DType::kF32) {
    const bool given = !multiplier.empty() && reader_.find_tensor(multiplier) != nullptr;
    if (given) data = reader_.tensor(multiplier, {DType::kF32}, {shape_.channels}).data;
  } else if (dtype_ != DType::kS32) {
    data = reader_.tensor(multiplier, {DType::kS16}, {shape_.channels}).data;
  }
  terms_[count_++] = {type, channel_stride, row_stride, data};
  bound_ += bound;
}

void Merge::add_value(int id, std::string_view multiplier) {
  const Value& value = reader_.value(id);
  reader_.require_shape(id, shape_);
  reader_.require((value.dtype == DType::kF32) == (dtype_ == DType::kF32),
                  "float and integer values must not meet", dtype_name(value.dtype));
  TermType type = TermType::f32;
  double bound = 0;
  switch (value.dtype) {
    case DType::kU8:
      type = TermType::u8;
      bound = 255;
      break;
    case DType::kS8:
      type = TermType::s8;
      bound = 128;
      break;
    case DType::kS32:
      type = TermType::s32;
      bound = std::pow(2.0, 31);
      break;
    default:
      break;
  }
  add_term(type, shape_.pixels(), shape_.width, multiplier, bound);
}

void Merge::finish() {
  if (dtype_ == DType::kF32) {
    if (reader_.find_tensor("bias") != nullptr) {
      bias_ = reader_.tensor("bias", {DType::kF32}, {shape_.channels}).data;
    }
    activation_ = reader_.activation();
    return;
  }
  const Tensor& bias = reader_.tensor("bias", {DType::kS64}, {shape_.channels});
  const int64_t* biases = bias.as<int64_t>();
  bias_ = bias.data;
  constexpr int64_t kBiasEnd = int64_t{1} << 47;
  for (int64_t c = 0; c < shape_.channels; ++c) {
    reader_.require(biases[c] > -kBiasEnd && biases[c] < kBiasEnd, "bias must fit 48 bits",
                    std::to_string(biases[c]));
    // SumS32 stores the plain sum.
    reader_.require(dtype_ != DType::kS32 ||
                        bound_ + std::abs(static_cast<double>(biases[c])) < std::pow(2.0, 31),
                    "sum and bias must fit 32 bits", concat("bias ", biases[c]));
  }
  if (dtype_ == DType::kS32) return;
  const Tensor& shift = reader_.tensor("shift", {DType::kU8}, {shape_.channels});
  shift_ = shift.as<uint8_t>();
  for (int64_t c = 0; c < shape_.channels; ++c) {
    reader_.require(shift_[c] >= 1 && shift_[c] <= 40, "shift must be in [1, 40]",
                    std::to_string(shift_[c]));
  }
  reader_.limits(dtype_, lo_, hi_);
}

template <class Op, class Args>
void Merge::run_integer(const void* const* data, int64_t first, int64_t channels,
                        void* output) const {
  Args args{};
  args.count = count_;
  for (int j = 0; j < count_; ++j) {
    const auto* multiplier = static_cast<const int16_t*>(terms_[j].multiplier);
    args.terms[j] = {data[j], terms_[j].type, terms_[j].channel_stride, terms_[j].row_stride,
                     multiplier == nullptr ? nullptr : multiplier + first};
  }
  args.bias = static_cast<const int64_t*>(bias_) + first;
  args.shift = shift_ == nullptr ? nullptr : shift_ + first;
  args.lo = lo_;
  args.hi = hi_;
  args.channels = channels;
  args.height = shape_.height;
  args.width = shape_.width;
  args.output = static_cast<decltype(args.output)>(output) + first * shape_.pixels();
  kernels::Kernel<Op>{kernel_}(args);
}

void Merge::run(const void* const* data, int64_t first, int64_t channels, uint8_t* output) const {
  if (dtype_ == DType::kU8) {
    return run_integer<RequantizeU8, kernels::RequantizeU8Args>(data, first, channels, output);
  }
  if (dtype_ == DType::kS8) {
    return run_integer<RequantizeS8, kernels::RequantizeS8Args>(data, first, channels, output);
  }
  if (dtype_ == DType::kS32) {
    return run_integer<SumS32, kernels::SumS32Args>(data, first, channels, output);
  }
  kernels::EpilogueF32Args args{};
  args.count = count_;
  for (int j = 0; j < count_; ++j) {
    const auto* scale = static_cast<const float*>(terms_[j].multiplier);
    args.terms[j] = {data[j], terms_[j].type, terms_[j].channel_stride, terms_[j].row_stride,
                     scale == nullptr ? nullptr : scale + first};
  }
  args.bias = bias_ == nullptr ? nullptr : static_cast<const float*>(bias_) + first;
  args.activation = activation_;
  args.channels = channels;
  args.height = shape_.height;
  args.width = shape_.width;
  args.output = reinterpret_cast<float*>(output) + first * shape_.pixels();
  kernels::Kernel<EpilogueF32>{kernel_}(args);
}

}  // namespace niwaki
