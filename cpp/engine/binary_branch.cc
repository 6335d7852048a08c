#include "engine/binary_branch.h"

#include "engine/text.h"
#include "engine/weights.h"

namespace niwaki {

using namespace kernels;

constexpr int64_t kMostTaps = int64_t{1} << 29;  // of one output: its sum fits 30 bits

int64_t BinaryBranch::pixels() const { return window.out_height * window.out_width; }

size_t BinaryBranch::words_bytes() const {
  if (in_place) return 0;
  const int64_t rows = padding.pad_top + padding.height + padding.pad_bottom;
  return align_bytes(static_cast<size_t>(rows * window.padded_w * window.words) * sizeof(uint64_t));
}

size_t BinaryBranch::ones_bytes() const {
  return align_bytes(static_cast<size_t>(pixels()) * sizeof(int32_t));
}

void BinaryBranch::pad_words(const uint8_t* image, uint8_t* scratch) const {
  if (in_place) return;
  PadWordsArgs args = padding;
  args.input = reinterpret_cast<const uint64_t*>(image);
  args.output = reinterpret_cast<uint64_t*>(scratch);
  Kernel<PadWords>{pad}(args);
}

void BinaryBranch::fill(const uint8_t* image, uint8_t* scratch) const {
  pad_words(image, scratch);
  const auto* words = reinterpret_cast<const uint64_t*>(in_place ? image : scratch);
  Kernel<WindowOnes>{ones}({words, window, reinterpret_cast<int32_t*>(scratch + words_bytes())});
}

void BinaryBranch::accumulate(const uint8_t* image, const uint8_t* scratch, int64_t first,
                              int64_t outputs, int32_t* acc) const {
  const auto* words = reinterpret_cast<const uint64_t*>(in_place ? image : scratch);
  Kernel<ConvB1>{conv}({words, window, weights.data() + first * words_per_output,
                        reinterpret_cast<const int32_t*>(scratch + words_bytes()), outputs, acc,
                        pixels(), window.out_width});
}

std::unique_ptr<BinaryBranch> build_binary_branch(const LayerReader& reader,
                                                  const KernelChoice& choice, int bits,
                                                  const Window& window, const Shape& out,
                                                  Step& step) {
  const Shape& in = reader.value(bits).shape;
  // Below 2^31 both, so the product can't wrap.
  const int64_t places = window.kernel_h * window.kernel_w;
  reader.require(places <= kMostTaps / in.channels, "an output must have at most 2^29 weights",
                 concat(in.channels, " x ", places));
  const int64_t words = in.words_per_pixel();
  const Tensor& weight = reader.tensor("binary.weight", {DType::kU64},
                                       {out.channels, window.kernel_h, window.kernel_w, words});
  auto branch = std::make_unique<BinaryBranch>();
  branch->padding = {nullptr,        nullptr,         in.height,         in.width,        words,
                     window.pad_top, window.pad_left, window.pad_bottom, window.pad_right};
  branch->in_place = window.pad_top + window.pad_left + window.pad_bottom + window.pad_right == 0;
  branch->window = {in.width + window.pad_left + window.pad_right,
                    words,
                    window.kernel_h,
                    window.kernel_w,
                    window.stride_h,
                    window.stride_w,
                    window.dilation_h,
                    window.dilation_w,
                    out.height,
                    out.width};
  branch->words_per_output = window.kernel_h * window.kernel_w * words;
  branch->weights = pack_binary(weight, out.channels, branch->words_per_output);
  branch->pad = choice.choose<PadWords>().entry;
  branch->ones = choice.choose<WindowOnes>().entry;
  branch->conv = choice.choose<ConvB1>().entry;
  step.binary_macs = out.channels * out.pixels() * in.channels * window.kernel_h * window.kernel_w;
  return branch;
}

}  // namespace niwaki
