// linear: conv's twin for (C,) values; weights are read as rows, bits as a 1x1 binary convolution.
#include <algorithm>
#include <memory>

#include "conv_b1/conv_b1.h"
#include "engine/merge.h"
#include "engine/ops.h"
#include "engine/ops_unit.h"
#include "engine/sparse_linear.h"
#include "engine/text.h"
#include "engine/weights.h"
#include "linear/linear.h"
#include "pad_planes/pad_planes.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr int64_t kBatch = 16;  // images that share a row of weights while it is in the caches
constexpr int64_t kChunk = 64;  // outputs of one task, a multiple of kBinaryBlock
static_assert(kChunk % kBinaryBlock == 0);

class LinearStep : public Step {
 public:
  explicit LinearStep(Merge merge) : merge(std::move(merge)) {}

  // Plain float weights are read once for several images: a large layer is bound by that.
  bool batched() const override {
    return dtype == DType::kF32 && x >= 0 && bits < 0 && tiled.empty();
  }

  void run(Run& run) const override {
    if (batched()) return run_images(run);
    if (widen != nullptr) widen_input(run);
    if (bits >= 0) {
      Kernel<WindowOnes>{ones}({run.value<uint64_t>(bits), window(), ones_of(run)});
    }
    run.parallel(static_cast<int64_t>(tiled.size()), [&](int64_t part, uint8_t*) {
      tiled[static_cast<size_t>(part)].run(run.value<const float>(x), sums_of(run));
    });
    run.parallel((outputs + kChunk - 1) / kChunk, [&](int64_t task, uint8_t* scratch) {
      const int64_t first = task * kChunk;
      const int64_t count = std::min(kChunk, outputs - first);
      const void* data[kMaxTerms];
      int terms = 0;
      if (!tiled.empty()) {
        data[terms++] = sums_of(run) + first;
      } else if (x >= 0) {
        accumulate(run, first, count, scratch);
        data[terms++] = scratch;
      }
      if (bits >= 0) {
        auto* acc = reinterpret_cast<int32_t*>(scratch) + kChunk;
        Kernel<ConvB1>{binary}({run.value<uint64_t>(bits), window(),
                                binary_weights.data() + first * words, ones_of(run), count, acc, 1,
                                1});
        data[terms++] = acc;
      }
      if (residual >= 0) data[terms++] = run.value(residual) + first * residual_stride;
      merge.run(data, first, count, run.value(output));
    });
  }

  void run_images(Run& run) const {
    const int64_t tasks = (outputs + kChunk - 1) / kChunk;
    for (int64_t n = 0; n < run.images(); n += kBatch) {
      const int64_t images = std::min(kBatch, run.images() - n);
      run.parallel(tasks, [&](int64_t task, uint8_t* scratch) {
        const int64_t first = task * kChunk;
        const int64_t count = std::min(kChunk, outputs - first);
        auto* acc = reinterpret_cast<float*>(scratch);  // [image][output]
        const auto* input = run.image(n).value<const float>(x);
        const int64_t stride = images > 1 ? run.image(n + 1).value<const float>(x) - input : inputs;
        accumulate_floats(input, images, stride, first, count, acc);
        for (int64_t j = 0; j < images; ++j) {
          const Run one = run.image(n + j);
          const void* data[kMaxTerms] = {acc + j * count};
          if (residual >= 0) data[1] = one.value(residual) + first * residual_stride;
          merge.run(data, first, count, one.value(output));
        }
      });
    }
  }

  Merge merge;
  int x = -1, bits = -1, residual = -1, output = 0;
  DType dtype = DType::kF32;  // of x
  int64_t inputs = 0, outputs = 0, words = 0;
  bool sparse = false;
  size_t residual_stride = 0;
  PlaneLayout row;                 // one row of K, to widen
  const Tensor* dense = nullptr;   // (O, K), or `written`
  std::vector<float> written;      // (O, K) of weights stored sparse that run dense
  std::vector<TiledLinear> tiled;  // a thread's rows each
  std::vector<int32_t> columns;    // sparse
  std::vector<int32_t> starts;
  std::vector<float> values_f32;
  std::vector<int8_t> values_s8;
  std::vector<uint64_t> binary_weights;
  const KernelEntry* linear = nullptr;
  const KernelEntry* widen = nullptr;
  const KernelEntry* ones = nullptr;
  const KernelEntry* binary = nullptr;

 private:
  BinaryWindow window() const { return {1, words, 1, 1, 1, 1, 1, 1, 1, 1}; }

  // Shared scratch: the int16 row, if any, behind one aligned count of ones.
  int32_t* ones_of(const Run& run) const { return reinterpret_cast<int32_t*>(run.shared()); }
  int16_t* row_of(const Run& run) const { return reinterpret_cast<int16_t*>(run.shared() + 64); }

  // Or the sums of a tiled layer, which is float: nothing is widened then.
  float* sums_of(const Run& run) const { return reinterpret_cast<float*>(run.shared() + 64); }

  void widen_input(const Run& run) const {
    if (dtype == DType::kU8) {
      Kernel<PadPlanesU8>{widen}({run.value<uint8_t>(x), row_of(run), row});
    } else {
      Kernel<PadPlanesS8>{widen}({run.value<int8_t>(x), row_of(run), row});
    }
  }

  const float* rows() const { return dense == nullptr ? written.data() : dense->as<float>(); }

  void accumulate_floats(const float* input, int64_t images, int64_t stride, int64_t first,
                         int64_t count, float* acc) const {
    if (sparse) {
      Kernel<LinearSparseF32>{linear}({input, images, stride, columns.data(), values_f32.data(),
                                       starts.data() + first, count, acc, count});
    } else {
      Kernel<LinearDenseF32>{linear}(
          {input, images, stride, inputs, rows() + first * inputs, count, acc, count});
    }
  }

  void accumulate(const Run& run, int64_t first, int64_t count, uint8_t* scratch) const {
    if (dtype == DType::kF32) {
      accumulate_floats(run.value<const float>(x), 1, inputs, first, count,
                        reinterpret_cast<float*>(scratch));
      return;
    }
    auto* acc = reinterpret_cast<int32_t*>(scratch);
    if (sparse) {
      Kernel<LinearSparseI16>{linear}({row_of(run), 1, inputs, columns.data(), values_s8.data(),
                                       starts.data() + first, count, acc, count});
    } else {
      Kernel<LinearDenseI16>{linear}({row_of(run), 1, inputs, inputs,
                                      dense->as<int8_t>() + first * inputs, count, acc, count});
    }
  }
};

// Packs float weights that are stored sparse, in the form that they run in.
void pack_sparse(const EntryLists& lists, const KernelChoice& choice, LinearStep& step) {
  const LinearForm form = choose_linear_form(step.outputs, step.inputs,
                                             static_cast<int64_t>(lists.entries.size()), choice);
  if (form == LinearForm::entries) {
    step.linear = choice.choose<LinearSparseF32>().entry;
    step.starts = lists.starts;
    for (const Entry& entry : lists.entries) {
      step.columns.push_back(entry.position);
      step.values_f32.push_back(entry.value);
    }
    return;
  }
  if (form == LinearForm::dense) {
    step.linear = choice.choose<LinearDenseF32>().entry;
    step.sparse = false;
    step.written = dense_rows(lists, step.outputs, step.inputs);
    step.packed_bytes += step.written.size() * sizeof(float);
    return;
  }
  const std::vector<int64_t> cuts = cut_rows(lists.starts, choice.threads());
  for (size_t part = 0; part + 1 < cuts.size(); ++part) {
    step.tiled.emplace_back(form, lists, cuts[part], cuts[part + 1], step.inputs, choice);
    step.packed_bytes += step.tiled.back().packed_bytes();
  }
  step.linear = step.tiled.front().kernel();
}

// Reads the weights of the x branch; returns the accumulator's bound in the integer form.
double read_weights(const LayerReader& reader, const KernelChoice& choice, bool stored_sparse,
                    LinearStep& step) {
  const bool is_float = step.dtype == DType::kF32;
  const DType dtype = is_float ? DType::kF32 : DType::kS8;
  step.sparse = stored_sparse;
  EntryLists lists;
  if (stored_sparse) {
    lists = entries_of_sparse(reader, step.outputs, step.inputs, dtype);
    if (is_float) {
      pack_sparse(lists, choice, step);
    } else {
      step.starts = lists.starts;
      for (const Entry& entry : lists.entries) {
        step.columns.push_back(entry.position);
        step.values_s8.push_back(static_cast<int8_t>(entry.value));
      }
      step.linear = choice.choose<LinearSparseI16>().entry;
    }
  } else {
    step.dense = &reader.tensor("weight", {dtype}, {step.outputs, step.inputs});
    // Entries of a large float layer would take twice its memory, only to be counted.
    if (!is_float) lists = entries_of_dense(*step.dense, step.outputs, step.inputs, 1);
    step.linear =
        is_float ? choice.choose<LinearDenseF32>().entry : choice.choose<LinearDenseI16>().entry;
  }
  const int64_t weights = step.outputs * step.inputs;
  auto kept = static_cast<int64_t>(lists.entries.size());
  if (is_float && !stored_sparse) {
    const auto* values = step.dense->as<float>();
    kept = weights - std::count(values, values + weights, 0.0F);
  }
  step.density = static_cast<double>(kept) / static_cast<double>(weights);
  step.macs = step.written.empty() && stored_sparse ? kept : weights;
  step.packed_bytes += step.columns.size() * (sizeof(int32_t) + dtype_bytes(dtype));
  step.kernel = step.linear->name;
  step.reason = (stored_sparse ? "weights stored sparse; " : "weights stored dense; ") +
                choice.reason(step.linear);
  if (is_float) return 0;
  const double bound = lists.largest_row_sum() * (step.dtype == DType::kU8 ? 255 : 128);
  reader.require(bound < 2147483648.0, "a sum of products must fit 32 bits", std::to_string(bound));
  step.row = make_plane_layout(1, 1, step.inputs, Window{});
  step.widen = step.dtype == DType::kU8 ? choice.choose<PadPlanesU8>().entry
                                        : choice.choose<PadPlanesS8>().entry;
  return bound;
}

void read_binary(const LayerReader& reader, const KernelChoice& choice, LinearStep& step) {
  const Shape& in = reader.value(step.bits).shape;
  reader.require(in.flat, "bits must have shape (C,)", in.text());
  step.words = in.words_per_pixel();
  const Tensor& weight =
      reader.tensor("binary.weight", {DType::kU64}, {step.outputs, 1, 1, step.words});
  step.binary_weights = pack_binary(weight, step.outputs, step.words);
  step.packed_bytes += step.binary_weights.size() * sizeof(uint64_t);
  step.binary_macs = step.outputs * in.channels;
  step.ones = choice.choose<WindowOnes>().entry;
  step.binary = choice.choose<ConvB1>().entry;
  step.kernel += (step.kernel.empty() ? "" : " + ") + std::string(step.binary->name);
  if (step.reason.empty()) step.reason = concat("bits; ", choice.reason(step.binary));
}

}  // namespace

StepPtr build_linear(const Program& program, const Layer& layer, int index,
                     const KernelChoice& choice) {
  const LayerReader reader(program, layer, index);
  reader.require_roles({"x", "bits", "residual"});
  auto step = std::make_unique<LinearStep>(Merge(reader, choice));
  step->output = reader.output({DType::kF32, DType::kU8, DType::kS8, DType::kS32});
  const Value& output = reader.value(step->output);
  const bool is_float = output.dtype == DType::kF32;
  reader.require(output.shape.flat, "the output must be (C,)", output.shape.text());
  step->outputs = output.shape.channels;
  step->x = is_float ? reader.optional_input("x", {DType::kF32})
                     : reader.optional_input("x", {DType::kU8, DType::kS8});
  step->bits = reader.optional_input("bits", {DType::kU1});
  step->residual =
      reader.optional_input("residual", {DType::kF32, DType::kU8, DType::kS8, DType::kS32});
  const std::string storage = reader.word("weight", {"dense", "sparse", "none"});
  reader.require((storage != "none") == (step->x >= 0),
                 "weight must be none exactly where there is no x", storage);
  reader.require(step->x >= 0 || step->bits >= 0, "must have the input x or bits", "neither");
  if (runs_as_unit(program, layer)) {
    const Shape& in = reader.value(step->bits).shape;
    reader.require(in.flat, "bits must have shape (C,)", in.text());
    return build_unit(reader, choice, Window{});
  }
  if (step->x >= 0) {
    const Value& x = reader.value(step->x);
    reader.require(x.shape.flat, "x must have shape (C,)", x.shape.text());
    step->dtype = x.dtype;
    step->inputs = x.shape.channels;
    reader.require(step->inputs <= kMaxPositions / step->outputs,
                   "a weight must have fewer than 2^31 elements", x.shape.text());
    const double bound = read_weights(reader, choice, storage == "sparse", *step);
    step->merge.add_term(is_float ? TermType::f32 : TermType::s32, 1, 1,
                         is_float ? "" : "multiplier", bound);
  }
  if (step->bits >= 0) {
    read_binary(reader, choice, *step);
    step->merge.add_term(TermType::s32, 1, 1, is_float ? "binary.scale" : "binary.multiplier",
                         static_cast<double>(reader.value(step->bits).shape.channels));
  }
  if (step->residual >= 0) {
    step->merge.add_value(step->residual, is_float ? "" : "residual.multiplier");
    step->residual_stride = dtype_bytes(reader.value(step->residual).dtype);
  }
  step->merge.finish();
  // One count of ones, then the widened row and the int16 that sparse kernels may read behind it.
  step->shared_bytes = 64;
  if (step->widen != nullptr) {
    step->shared_bytes +=
        static_cast<size_t>(std::max(step->row.scratch_elements, step->inputs) + kPixelBlock) *
        sizeof(int16_t);
  }
  if (!step->tiled.empty()) {
    step->shared_bytes += static_cast<size_t>(step->outputs) * sizeof(float);
  }
  step->thread_bytes = kBatch * kChunk * sizeof(int32_t);  // two branches of one image fit as well
  return step;
}

}  // namespace niwaki
