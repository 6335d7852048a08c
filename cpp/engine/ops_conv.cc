// conv: a dense or sparse branch on flat padded planes, a binary branch on bit words, a residual;
// all meet in the epilogue. Output channels are worked on in chunks, one task each: a chunk's
// accumulators stay in the thread's cache until the epilogue has stored them.
#include <algorithm>
#include <memory>

#include "engine/binary_branch.h"
#include "engine/merge.h"
#include "engine/ops_conv.h"
#include "engine/ops_unit.h"
#include "engine/plane_branch.h"
#include "engine/text.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr size_t kChunkBytes = 256 * 1024;  // of accumulators: within a core's L2

class ConvStep : public Step {
 public:
  explicit ConvStep(Merge merge) : merge(std::move(merge)) {}

  void run(Run& run) const override {
    uint8_t* words = run.shared() + (planes ? planes->scratch_bytes() : 0);
    const uint8_t* image = planes ? run.value(x) : nullptr;
    const uint8_t* bit_image = binary ? run.value(bits) : nullptr;
    if (planes) planes->fill(image, run.shared());
    if (binary) binary->fill(bit_image, words);
    const uint8_t* input = planes && planes->in_place ? image : run.shared();
    const int64_t tasks = (outputs + chunk - 1) / chunk;
    run.parallel(tasks, [&](int64_t task, uint8_t* scratch) {
      const int64_t first = task * chunk;
      const int64_t count = std::min(chunk, outputs - first);
      const void* data[kMaxTerms];
      int terms = 0;
      if (planes) {
        planes->accumulate(input, first, count, scratch);
        data[terms++] = scratch;
      }
      if (binary) {
        auto* acc = reinterpret_cast<int32_t*>(scratch + plane_acc_bytes);
        binary->accumulate(bit_image, words, first, count, acc);
        data[terms++] = acc;
      }
      if (residual >= 0) data[terms++] = run.value(residual) + first * residual_stride;
      merge.run(data, first, count, run.value(output));
    });
  }

  Merge merge;
  int x = -1, bits = -1, residual = -1, output = 0;
  int64_t outputs = 0;
  int64_t chunk = kBinaryBlock;  // a multiple of both kernels' blocks
  size_t plane_acc_bytes = 0;
  size_t residual_stride = 0;  // bytes of one channel
  std::unique_ptr<PlaneBranch> planes;
  std::unique_ptr<BinaryBranch> binary;
};

static_assert(kBinaryBlock % kDenseBlock == 0);

// The output's sides must be what window and image give.
void check_output(const LayerReader& reader, const Shape& in, const Window& window,
                  const Shape& out) {
  const int64_t height = window_positions(in.height, window.pad_top + window.pad_bottom,
                                          window.kernel_h, window.stride_h, window.dilation_h);
  const int64_t width = window_positions(in.width, window.pad_left + window.pad_right,
                                         window.kernel_w, window.stride_w, window.dilation_w);
  reader.require(height == out.height && width == out.width,
                 concat("the output must be ", height, " x ", width), out.text());
  // Sizes of scratch stay in int32, step by step so that no product wraps.
  const int64_t rows = in.height + window.pad_top + window.pad_bottom + window.stride_h;
  const int64_t columns = in.width + window.pad_left + window.pad_right + window.stride_w;
  reader.require(
      rows <= kMaxPositions / columns && in.channels <= kMaxPositions / (rows * columns) - 1,
      "the padded image must have fewer than 2^31 elements", concat(in.text(), " with its pads"));
}

// The window's shared scratch, and how many output channels make one task.
void plan_scratch(ConvStep& step, const Shape& out) {
  size_t channel_bytes = 0;  // of accumulators
  if (step.planes) {
    step.shared_bytes += step.planes->scratch_bytes();
    step.packed_bytes += step.planes->packed_bytes();
    channel_bytes += static_cast<size_t>(step.planes->layout.acc_stride) * sizeof(float);
  }
  if (step.binary) {
    step.shared_bytes += step.binary->words_bytes() + step.binary->ones_bytes();
    step.packed_bytes += step.binary->weights.size() * sizeof(uint64_t);
    channel_bytes += static_cast<size_t>(out.pixels()) * sizeof(int32_t);
  }
  const auto fitting = static_cast<int64_t>(kChunkBytes / std::max<size_t>(channel_bytes, 1));
  const int64_t most = (out.channels + kBinaryBlock - 1) / kBinaryBlock * kBinaryBlock;
  step.chunk = std::clamp(fitting / kBinaryBlock * kBinaryBlock, kBinaryBlock,
                          std::min<int64_t>(most, 4 * kBinaryBlock));
  if (step.planes) {
    step.plane_acc_bytes = align_bytes(
        static_cast<size_t>(step.chunk * step.planes->layout.acc_stride) * sizeof(float));
  }
  step.thread_bytes = step.plane_acc_bytes;
  if (step.binary) {
    step.thread_bytes +=
        align_bytes(static_cast<size_t>(step.chunk * out.pixels()) * sizeof(int32_t));
  }
}

}  // namespace

StepPtr build_conv(const Program& program, const Layer& layer, int index,
                   const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  reader.require_roles({"x", "bits", "residual"});
  auto step = std::make_unique<ConvStep>(Merge(reader, choice));
  step->output = reader.output({DType::kF32, DType::kU8, DType::kS8, DType::kS32});
  const Value& output = reader.value(step->output);
  const bool is_float = output.dtype == DType::kF32;
  step->x = is_float ? reader.optional_input("x", {DType::kF32})
                     : reader.optional_input("x", {DType::kU8, DType::kS8});
  step->bits = reader.optional_input("bits", {DType::kU1});
  step->residual =
      reader.optional_input("residual", {DType::kF32, DType::kU8, DType::kS8, DType::kS32});
  const std::string storage = reader.word("weight", {"dense", "sparse", "none"});
  reader.require((storage != "none") == (step->x >= 0),
                 "weight must be none exactly where there is no x", storage);
  reader.require(step->x >= 0 || step->bits >= 0, "must have the input x or bits", "neither");
  reader.require(!output.shape.flat, "the output must be (C, H, W)", output.shape.text());
  reader.require(step->bits < 0 || reader.integer("groups", 1, INT32_MAX, 1) == 1,
                 "a binary branch must have groups = 1", "more");
  const Window window = reader.window(INT32_MAX);
  step->outputs = output.shape.channels;
  double bound = 0;
  if (runs_as_unit(program, layer)) {
    check_output(reader, reader.value(step->bits).shape, window, output.shape);
    return build_unit(reader, choice, window);
  }
  if (is_float_conv(program, layer)) {
    check_output(reader, reader.value(step->x).shape, window, output.shape);
    if (step->bits >= 0) {
      check_output(reader, reader.value(step->bits).shape, window, output.shape);
    }
    return build_float_conv(reader, choice, window, storage);
  }
  if (step->x >= 0) {
    const Shape& in = reader.value(step->x).shape;
    check_output(reader, in, window, output.shape);
    step->planes =
        build_planes(reader, choice, step->x, window, output.shape, storage, *step, bound);
    step->merge.add_term(is_float ? TermType::f32 : TermType::s32, step->planes->layout.acc_stride,
                         step->planes->layout.row_width, is_float ? "" : "multiplier", bound);
    step->kernel = step->planes->conv->name;
    step->reason = (storage == "sparse"    ? "weights stored sparse"
                    : step->planes->sparse ? "grouped, run as entries"
                                           : "weights stored dense") +
                   concat("; ", choice.reason(step->planes->conv));
  }
  if (step->bits >= 0) {
    const Shape& in = reader.value(step->bits).shape;
    check_output(reader, in, window, output.shape);
    step->binary = build_binary_branch(reader, choice, step->bits, window, output.shape, *step);
    const auto taps =
        static_cast<double>(in.channels) * static_cast<double>(window.kernel_h * window.kernel_w);
    step->merge.add_term(TermType::s32, output.shape.pixels(), output.shape.width,
                         is_float ? "binary.scale" : "binary.multiplier", taps);
    step->kernel += (step->kernel.empty() ? "" : " + ") + std::string(step->binary->conv->name);
    if (step->reason.empty()) step->reason = concat("bits; ", choice.reason(step->binary->conv));
  }
  if (step->residual >= 0) {
    step->merge.add_value(step->residual, is_float ? "" : "residual.multiplier");
    step->residual_stride = static_cast<size_t>(output.shape.pixels()) *
                            dtype_bytes(reader.value(step->residual).dtype);
  }
  step->merge.finish();
  plan_scratch(*step, output.shape);
  return step;
}

}  // namespace niwaki