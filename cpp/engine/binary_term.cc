#include "engine/binary_term.h"

#include <algorithm>

#include "engine/text.h"

namespace niwaki {

using namespace kernels;

constexpr int64_t kChunk = 2 * kBinaryBlock;     // outputs of a task
constexpr int64_t kMostTaps = int64_t{1} << 29;  // of one output: its sum fits 30 bits

BinaryTerm::BinaryTerm(const LayerReader& reader, const KernelChoice& choice, const Window& window,
                       const conv::Problem& problem, Step& step)
    : bits_(reader.layer().input("bits")) {
  const Shape& in = reader.value(bits_).shape;
  const Shape& out = reader.value(reader.layer().output).shape;
  outputs_ = out.channels;
  const int64_t places = window.kernel_h * window.kernel_w;
  reader.require(places <= kMostTaps / in.channels, "an output must have at most 2^29 weights",
                 concat(in.channels, " x ", places));
  branch_ = build_binary(reader, choice, bits_, window, out, step);
  scale_.assign(static_cast<size_t>(outputs_), 1.0F);
  if (reader.find_tensor("binary.scale") != nullptr) {
    const auto* scale = reader.tensor("binary.scale", {DType::kF32}, {outputs_}).as<float>();
    std::copy(scale, scale + outputs_, scale_.begin());
  }
  planes_ = problem.output;
  planes_.image = planes_.channels * planes_.plane;
  residual_ = problem.residual;
  entry_ = choice.choose<PlanesB1>().entry;
}

size_t BinaryTerm::scratch_bytes() const {
  const int64_t elements = elements_before(planes_) + elements_from_origin(planes_, 1);
  return bits_bytes() + align_bytes(static_cast<size_t>(elements) * sizeof(float));
}

size_t BinaryTerm::packed_bytes() const {
  return branch_->weights.size() * sizeof(uint64_t) + scale_.size() * sizeof(float);
}

const float* BinaryTerm::run(Run& run, uint8_t* scratch, const float* residual) const {
  const uint8_t* image = run.value(bits_);
  branch_->fill(image, scratch);
  float* origin = reinterpret_cast<float*>(scratch + bits_bytes()) + elements_before(planes_);
  run.parallel((outputs_ + kChunk - 1) / kChunk, [&](int64_t task, uint8_t*) {
    const int64_t first = task * kChunk;
    PlanesB1Args args{};
    args.input = reinterpret_cast<const uint64_t*>(branch_->in_place ? image : scratch);
    args.window = branch_->window;
    args.weights = branch_->weights.data() + first * branch_->words_per_output;
    args.ones = reinterpret_cast<const int32_t*>(scratch + branch_->words_bytes());
    args.outputs = std::min(kChunk, outputs_ - first);
    args.scale = scale_.data() + first;
    if (residual != nullptr) args.residual = residual + first * residual_.plane;
    args.residual_stride = residual_.plane;
    args.residual_row_width = residual_.row;
    args.output = origin + first * planes_.plane;
    args.output_stride = planes_.plane;
    args.output_row_width = planes_.row;
    Kernel<PlanesB1>{entry_}(args);
  });
  return origin;
}

}  // namespace niwaki
