// The end of a layer: terms meet, are rescaled or activated, and are stored as compact planes.
//
// Chooses among the epilogue's four kernels by the output's dtype: f32 -> EpilogueF32 (scales,
// bias, activation), u8 and s8 -> Requantize* (multipliers, bias, shift, lo, hi), s32 -> SumS32
// (bias only).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "epilogue/epilogue.h"

namespace niwaki {

class Merge {
 public:
  // For the layer's output value.
  Merge(const LayerReader& reader, const KernelChoice& choice);

  // One more term. `multiplier` is the role of its tensor: f32 scales in the float form (left out
  // where the program has none), s16 multipliers where the output is u8 or s8. `bound` is the
  // largest |value| an s32 term can take.
  void add_term(kernels::TermType type, int64_t channel_stride, int64_t row_stride,
                std::string_view multiplier, double bound = 0);

  // A term that is a whole value of the program, in compact planes.
  void add_value(int id, std::string_view multiplier);

  // Reads bias, shift, limits and activation. Call once, behind the last term.
  void finish();

  // Stores `channels` channels from `first` on. data[j] points at channel `first` of term j;
  // `output` at the value's channel 0.
  void run(const void* const* data, int64_t first, int64_t channels, uint8_t* output) const;

  const kernels::KernelEntry* kernel() const { return kernel_; }
  int terms() const { return count_; }

 private:
  template <class Op, class Args>
  void run_integer(const void* const* data, int64_t first, int64_t channels, void* output) const;

  const LayerReader& reader_;  // while building only
  DType dtype_;
  Shape shape_;
  int count_ = 0;
  struct Input {
    kernels::TermType type;
    int64_t channel_stride, row_stride;
    const void* multiplier;
  };
  Input terms_[kernels::kMaxTerms] = {};
  double bound_ = 0;
  const void* bias_ = nullptr;  // f32 or s64
  const uint8_t* shift_ = nullptr;
  int64_t lo_ = 0, hi_ = 0;
  kernels::Activation activation_;
  const kernels::KernelEntry* kernel_ = nullptr;
};

}  // namespace niwaki
