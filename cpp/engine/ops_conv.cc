// conv: a dense or sparse branch on flat padded planes, a binary branch on bit words, a residual;
// all meet in the epilogue. Output channels are worked on in chunks, one task each: a chunk's
// accumulators stay in the thread's cache until the epilogue has stored them.
#include <algorithm>
#include <memory>

#include "conv_b1/conv_b1.h"
#include "conv_f32/conv_f32.h"
#include "conv_i16/conv_i16.h"
#include "engine/merge.h"
#include "engine/ops.h"
#include "engine/text.h"
#include "engine/weights.h"
#include "pad_planes/pad_planes.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr int64_t kMaxRow = int64_t{1} << 26;  // positions of one output channel's weights
constexpr size_t kChunkBytes = 256 * 1024;     // of accumulators: within a core's L2
constexpr size_t kAlignment = 64;

size_t align(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// The x branch, in either number form.
struct PlaneBranch {
  PlaneLayout layout;
  DType dtype = DType::kF32;  // of x
  bool sparse = false;        // or grouped: a stream of entries
  bool in_place = false;      // the image is its own scratch
  StreamF32 stream_f32;
  StreamI16 stream_i16;
  std::vector<int32_t> offsets;  // of the taps, dense
  std::vector<float> dense_f32;
  std::vector<int16_t> dense_i16;
  const KernelEntry* pad = nullptr;
  const KernelEntry* conv = nullptr;

  size_t scratch_bytes() const {
    if (in_place) return 0;
    const size_t element = dtype == DType::kF32 ? sizeof(float) : sizeof(int16_t);
    return align(static_cast<size_t>(layout.scratch_elements) * element);
  }

  size_t packed_bytes() const {
    return stream_f32.entries.size() * sizeof(SparseEntryF32) +
           stream_i16.entries.size() * sizeof(SparsePairI16) +
           (stream_f32.starts.size() + stream_i16.starts.size() + offsets.size()) *
               sizeof(int32_t) +
           dense_f32.size() * sizeof(float) + dense_i16.size() * sizeof(int16_t);
  }

  void fill(const uint8_t* image, uint8_t* scratch) const {
    if (in_place) return;
    if (dtype == DType::kF32) {
      Kernel<PadPlanesF32>{pad}(
          {reinterpret_cast<const float*>(image), reinterpret_cast<float*>(scratch), layout});
    } else if (dtype == DType::kU8) {
      Kernel<PadPlanesU8>{pad}({image, reinterpret_cast<int16_t*>(scratch), layout});
    } else {
      Kernel<PadPlanesS8>{pad}(
          {reinterpret_cast<const int8_t*>(image), reinterpret_cast<int16_t*>(scratch), layout});
    }
  }

  // `first` is a multiple of kDenseBlock.
  void accumulate(const uint8_t* planes, int64_t first, int64_t outputs, uint8_t* acc) const {
    const int64_t pixels = layout.flat_pixels;
    const int64_t stride = layout.acc_stride;
    if (dtype == DType::kF32) {
      const auto* input = reinterpret_cast<const float*>(planes);
      auto* output = reinterpret_cast<float*>(acc);
      if (sparse) {
        Kernel<ConvSparseF32>{conv}({input, stream_f32.entries.data(),
                                     stream_f32.starts.data() + first, outputs, pixels, output,
                                     stride});
      } else {
        const auto taps = static_cast<int64_t>(offsets.size());
        Kernel<ConvDenseF32>{conv}({input, offsets.data(), taps, dense_f32.data() + first * taps,
                                    outputs, pixels, output, stride});
      }
      return;
    }
    const auto* input = reinterpret_cast<const int16_t*>(planes);
    auto* output = reinterpret_cast<int32_t*>(acc);
    if (sparse) {
      Kernel<ConvSparseI16>{conv}({input, stream_i16.entries.data(),
                                   stream_i16.starts.data() + first, outputs, pixels, output,
                                   stride});
    } else {
      const auto pairs = static_cast<int64_t>(offsets.size()) / 2;
      Kernel<ConvDenseI16>{conv}({input, offsets.data(), pairs,
                                  dense_i16.data() + first * pairs * 2, outputs, pixels, output,
                                  stride});
    }
  }
};

// The bits branch.
struct BinaryBranch {
  BinaryWindow window;
  PadWordsArgs padding;
  bool in_place = false;
  std::vector<uint64_t> weights;
  int64_t words_per_output = 0;
  const KernelEntry* pad = nullptr;
  const KernelEntry* ones = nullptr;
  const KernelEntry* conv = nullptr;

  int64_t pixels() const { return window.out_height * window.out_width; }
  size_t words_bytes() const {
    if (in_place) return 0;
    const int64_t rows = padding.pad_top + padding.height + padding.pad_bottom;
    return align(static_cast<size_t>(rows * window.padded_w * window.words) * sizeof(uint64_t));
  }
  size_t ones_bytes() const { return align(static_cast<size_t>(pixels()) * sizeof(int32_t)); }

  // Scratch: padded words, then the ones of each window.
  void fill(const uint8_t* image, uint8_t* scratch) const {
    const auto* words = reinterpret_cast<const uint64_t*>(image);
    if (!in_place) {
      PadWordsArgs args = padding;
      args.input = words;
      args.output = reinterpret_cast<uint64_t*>(scratch);
      Kernel<PadWords>{pad}(args);
      words = args.output;
    }
    Kernel<WindowOnes>{ones}({words, window, reinterpret_cast<int32_t*>(scratch + words_bytes())});
  }

  // `first` is a multiple of kBinaryBlock.
  void accumulate(const uint8_t* image, const uint8_t* scratch, int64_t first, int64_t outputs,
                  int32_t* acc) const {
    const auto* words = reinterpret_cast<const uint64_t*>(in_place ? image : scratch);
    Kernel<ConvB1>{conv}({words, window, weights.data() + first * words_per_output,
                          reinterpret_cast<const int32_t*>(scratch + words_bytes()), outputs, acc,
                          pixels(), window.out_width});
  }
};

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

std::unique_ptr<PlaneBranch> build_planes(const LayerReader& reader, const KernelChoice& choice,
                                          int x, const Window& window, const Shape& out,
                                          const std::string& storage, Step& step, double& bound) {
  const Value& value = reader.value(x);
  const Shape& in = value.shape;
  const bool is_float = value.dtype == DType::kF32;
  const DType weight_dtype = is_float ? DType::kF32 : DType::kS8;
  const int64_t groups = reader.integer("groups", 1, in.channels, 1);
  reader.require(in.channels % groups == 0 && out.channels % groups == 0,
                 "groups must divide both channel counts", std::to_string(groups));
  auto branch = std::make_unique<PlaneBranch>();
  branch->dtype = value.dtype;
  branch->layout = make_plane_layout(in.channels, in.height, in.width, window);
  reader.require(branch->layout.scratch_elements <= kMaxPositions &&
                     branch->layout.acc_stride <= kMaxPositions / out.channels,
                 "scratch must have fewer than 2^31 elements", in.text());
  const int64_t inputs = in.channels / groups;
  const int64_t taps = window.kernel_h * window.kernel_w;
  reader.require(taps <= kMaxRow / inputs, "a channel must have at most 2^26 weights",
                 concat(inputs, " x ", taps));
  const int64_t row_size = inputs * taps;
  const bool stored_sparse = storage == "sparse";
  const EntryLists lists =
      stored_sparse ? entries_of_sparse(reader, out.channels, row_size, weight_dtype)
                    : entries_of_dense(
                          reader.tensor("weight", {weight_dtype},
                                        {out.channels, inputs, window.kernel_h, window.kernel_w}),
                          out.channels, inputs, taps);
  // A dense kernel shares each load among outputs that read the same inputs: groups don't.
  branch->sparse = stored_sparse || groups > 1;
  const TapOffsets tap_offsets(branch->layout, out.channels, groups);
  step.density =
      static_cast<double>(lists.entries.size()) / static_cast<double>(out.channels * row_size);
  step.macs =
      (stored_sparse ? static_cast<int64_t>(lists.entries.size()) : out.channels * row_size) *
      out.pixels();
  if (is_float) {
    branch->pad = choice.choose<PadPlanesF32>().entry;
    branch->in_place = is_identity(branch->layout);
  } else {
    branch->pad = value.dtype == DType::kU8 ? choice.choose<PadPlanesU8>().entry
                                            : choice.choose<PadPlanesS8>().entry;
    bound = lists.largest_row_sum() * (value.dtype == DType::kU8 ? 255 : 128);
    reader.require(bound < 2147483648.0, "a sum of products must fit 32 bits",
                   std::to_string(bound));
  }
  if (branch->sparse) {
    branch->conv =
        is_float ? choice.choose<ConvSparseF32>().entry : choice.choose<ConvSparseI16>().entry;
    if (is_float) {
      branch->stream_f32 = make_stream_f32(lists, tap_offsets);
    } else {
      branch->stream_i16 = make_stream_i16(lists, tap_offsets);
    }
    return branch;
  }
  branch->conv =
      is_float ? choice.choose<ConvDenseF32>().entry : choice.choose<ConvDenseI16>().entry;
  for (int64_t q = 0; q < row_size; ++q) {
    branch->offsets.push_back(tap_offsets(0, static_cast<int32_t>(q)));
  }
  if (is_float) {
    branch->dense_f32 = pack_dense_f32(lists, out.channels, row_size);
  } else {
    if (row_size % 2 != 0) branch->offsets.push_back(branch->offsets.back());
    branch->dense_i16 = pack_dense_i16(lists, out.channels, (row_size + 1) / 2);
  }
  return branch;
}

std::unique_ptr<BinaryBranch> build_binary(const LayerReader& reader, const KernelChoice& choice,
                                           int bits, const Window& window, const Shape& out,
                                           Step& step) {
  const Shape& in = reader.value(bits).shape;
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
    step.plane_acc_bytes =
        align(static_cast<size_t>(step.chunk * step.planes->layout.acc_stride) * sizeof(float));
  }
  step.thread_bytes = step.plane_acc_bytes;
  if (step.binary) {
    step.thread_bytes += align(static_cast<size_t>(step.chunk * out.pixels()) * sizeof(int32_t));
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
    step->binary = build_binary(reader, choice, step->bits, window, output.shape, *step);
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
