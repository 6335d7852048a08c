#include "engine/binary_term.h"

#include <algorithm>

namespace niwaki {

using namespace kernels;

constexpr int64_t kChunk = 2 * kBinaryBlock;  // outputs of a task
constexpr int64_t kSliceTasks = 4;            // for each thread

BinaryTerm::BinaryTerm(const LayerReader& reader, const KernelChoice& choice, const Window& window,
                       const conv::Problem& problem, Step& step)
    : bits_(reader.layer().input("bits")) {
  const Shape& in = reader.value(bits_).shape;
  const Shape& out = reader.value(reader.layer().output).shape;
  outputs_ = out.channels;
  branch_ = build_binary_branch(reader, choice, bits_, window, out, step);
  scale_.assign(static_cast<size_t>(outputs_), 1.0F);
  if (reader.find_tensor("binary.scale") != nullptr) {
    const auto* scale = reader.tensor("binary.scale", {DType::kF32}, {outputs_}).as<float>();
    std::copy(scale, scale + outputs_, scale_.begin());
  }
  planes_ = problem.output;
  planes_.image = planes_.channels * planes_.plane;
  residual_ = problem.residual;
  entry_ = choice.choose<PlanesB1>().entry;
  if (problem.has_residual && residual_.row != planes_.row) return;
  const Tensor& weight =
      reader.tensor("binary.weight", {DType::kU64},
                    {outputs_, window.kernel_h, window.kernel_w, in.words_per_pixel()});
  slices_ = BinarySlices::make(choice, branch_->window, window, in.channels, planes_, weight);
  if (slices_ == nullptr) return;
  branch_->weights = {};
  find_threshold(reader, choice, window);
}

// Bits that a threshold makes of the layer's own floats, for nobody else, need never be words.
void BinaryTerm::find_threshold(const LayerReader& reader, const KernelChoice& choice,
                                const Window& window) {
  const Program& program = reader.program();
  const int x = reader.layer().input("x");
  const ValueLayout& layout = program.layouts[x];
  if (!layout.has_planes) return;
  int maker = -1;
  int readers = static_cast<int>(std::count(program.outputs.begin(), program.outputs.end(), bits_));
  for (size_t index = 0; index < program.layers.size(); ++index) {
    const Layer& layer = program.layers[index];
    readers += static_cast<int>(std::count(layer.inputs.begin(), layer.inputs.end(), bits_));
    if (layer.output == bits_ && layer.op == "threshold" && layer.input("x") == x) {
      maker = static_cast<int>(index);
    }
  }
  if (maker < 0 || readers != 1) return;
  const LayerReader own(program, program.layers[maker], maker);
  const int64_t channels = reader.value(x).shape.channels;
  const auto* sign = own.tensor("sign", {DType::kS8}, {channels}).as<int8_t>();
  const auto* level = own.tensor("level", {DType::kF32}, {channels}).as<float>();
  if (slices_->read_floats(choice, window, layout.planes, sign, level)) threshold_ = maker;
}

size_t BinaryTerm::bits_bytes() const {
  return branch_->words_bytes() +
         (slices_ != nullptr ? slices_->scratch_bytes() : branch_->ones_bytes());
}

size_t BinaryTerm::scratch_bytes() const {
  const int64_t elements = elements_before(planes_) + elements_from_origin(planes_, 1);
  return bits_bytes() + align_bytes(static_cast<size_t>(elements) * sizeof(float));
}

size_t BinaryTerm::packed_bytes() const {
  return branch_->weights.size() * sizeof(uint64_t) + scale_.size() * sizeof(float) +
         (slices_ != nullptr ? slices_->packed_bytes() : 0);
}

BinarySlices::Call BinaryTerm::slices_call(const Run& run, const Call& call) const {
  // A caller who asks for everything may have given bits of his own.
  BinarySlices::Source source;
  if (threshold_ >= 0 && !run.everything()) {
    source.floats = call.x;
  } else {
    const uint8_t* words = branch_->in_place ? run.value(bits_) : call.scratch;
    source.words = reinterpret_cast<const uint64_t*>(words);
  }
  return {source,          call.scratch + branch_->words_bytes(),
          scale_.data(),   call.residual,
          residual_.plane, call.output};
}

void BinaryTerm::begin(Run& run, const Call& call) const {
  const BinarySlices::Call slices = slices_call(run, call);
  if (slices.source.words != nullptr) branch_->pad_words(run.value(bits_), call.scratch);
  slices_->make_base(slices);
}

void BinaryTerm::part(Run& run, const Call& call, int64_t index) const {
  const BinarySlices::Call slices = slices_call(run, call);
  slices_->make_tile(slices, index);
  slices_->add(slices, index, 0, slices_->groups());
}

void BinaryTerm::run(Run& run, const Call& call) const {
  if (slices_ == nullptr) return run_counts(run, call);
  begin(run, call);
  if (run.threads() == 1) {
    for (int64_t index = 0; index < parts(); ++index) part(run, call, index);
  } else {
    run_slices(run, slices_call(run, call));
  }
}

void BinaryTerm::run_slices(Run& run, const BinarySlices::Call& call) const {
  run.parallel(slices_->tiles(), [&](int64_t tile, uint8_t*) { slices_->make_tile(call, tile); });
  const int64_t groups = slices_->groups();
  const int64_t tasks = std::min(groups, kSliceTasks * run.threads());
  run.parallel(tasks, [&](int64_t task, uint8_t*) {
    for (int64_t tile = 0; tile < slices_->tiles(); ++tile) {
      slices_->add(call, tile, groups * task / tasks, groups * (task + 1) / tasks);
    }
  });
}

void BinaryTerm::run_counts(Run& run, const Call& call) const {
  const uint8_t* image = run.value(bits_);
  branch_->fill(image, call.scratch);
  run.parallel((outputs_ + kChunk - 1) / kChunk, [&](int64_t task, uint8_t*) {
    const int64_t first = task * kChunk;
    PlanesB1Args args{};
    args.input = reinterpret_cast<const uint64_t*>(branch_->in_place ? image : call.scratch);
    args.window = branch_->window;
    args.weights = branch_->weights.data() + first * branch_->words_per_output;
    args.ones = reinterpret_cast<const int32_t*>(call.scratch + branch_->words_bytes());
    args.outputs = std::min(kChunk, outputs_ - first);
    args.scale = scale_.data() + first;
    if (call.residual != nullptr) args.residual = call.residual + first * residual_.plane;
    args.residual_stride = residual_.plane;
    args.residual_row_width = residual_.row;
    args.output = call.output + first * planes_.plane;
    args.output_stride = planes_.plane;
    args.output_row_width = planes_.row;
    Kernel<PlanesB1>{entry_}(args);
  });
}

}  // namespace niwaki
