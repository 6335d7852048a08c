#include "engine/ops_unit.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "engine/binary_branch.h"
#include "engine/pixels.h"
#include "engine/text.h"
#include "engine/unit_limits.h"
#include "unit_b1/unit_b1.h"

namespace niwaki {
namespace {

using namespace kernels;

// Rows of the output are shared out; each of them has all channels, so whole words.
class UnitStep : public Step {
 public:
  void run(Run& run) const override {
    const uint8_t* image = run.value(bits);
    uint8_t* shared = run.shared();
    branch->fill(image, shared);
    const bool floats = !chain || run.everything();
    const int64_t rows = branch->window.out_height;
    const int64_t most = std::min<int64_t>(rows, run.threads() == 1 ? 1 : 4 * run.threads());
    run.parallel(most, [&](int64_t task, uint8_t*) {
      const int64_t first = rows * task / most;
      const int64_t last = rows * (task + 1) / most;
      if (floats) run_floats(run, shared, first, last);
      if (chain) run_chain(run, shared, first, last);
    });
  }

  // Output rows [first, last), with their bits unless the chain writes these.
  void run_floats(const Run& run, const uint8_t* shared, int64_t first, int64_t last) const {
    UnitB1Args args{};
    start(args, run, shared, first, last);
    args.scale = scale.data();
    args.bias = bias.data();
    const int64_t at = first * branch->window.out_width * outputs;
    if (residual >= 0) args.residual = run.value<float>(residual) + at;
    args.relu = relu;
    if (!unneeded || run.everything()) args.output = run.value<float>(output) + at;
    args.sign = sign.data();
    args.level = level.data();
    if (words >= 0 && !chain) args.words = words_at(run, first);
    Kernel<UnitB1>{unit}(args);
  }

  void run_chain(const Run& run, const uint8_t* shared, int64_t first, int64_t last) const {
    ChainB1Args args{};
    start(args, run, shared, first, last);
    args.sign = limits.sign.data();
    args.limit = limits.limit.data();
    args.words = words_at(run, first);
    Kernel<ChainB1>{unit_chain}(args);
  }

  template <class Args>
  void start(Args& args, const Run& run, const uint8_t* shared, int64_t first, int64_t last) const {
    const BinaryWindow& window = branch->window;
    const auto* padded =
        branch->in_place ? run.value<uint64_t>(bits) : reinterpret_cast<const uint64_t*>(shared);
    args.input = padded + first * window.stride_h * window.padded_w * window.words;
    args.window = window;
    args.window.out_height = last - first;
    args.weights = branch->weights.data();
    args.ones =
        reinterpret_cast<const int32_t*>(shared + branch->words_bytes()) + first * window.out_width;
    args.outputs = outputs;
  }

  uint64_t* words_at(const Run& run, int64_t row) const {
    return run.value<uint64_t>(words) + row * branch->window.out_width * ((outputs + 63) / 64);
  }

  std::unique_ptr<BinaryBranch> branch;
  const KernelEntry* unit = nullptr;
  const KernelEntry* unit_chain = nullptr;
  int bits = -1, residual = -1, output = 0;
  int words = -1;         // value of the bits that it writes, or -1
  bool unneeded = false;  // the floats, unless a caller asks for them
  bool chain = false;     // bits come from integers: no float is made for them
  bool relu = false;
  int64_t outputs = 0;
  std::vector<float> scale, bias, sign, level;  // readable in whole kUnitParameters
  UnitLimits limits;
};

template <class T>
std::vector<float> parameters(const T* values, int64_t count, float fallback) {
  const auto size =
      static_cast<size_t>((count + kUnitParameters - 1) / kUnitParameters * kUnitParameters);
  std::vector<float> found(size, fallback);
  if (values != nullptr) {
    std::transform(values, values + count, found.begin(),
                   [](T value) { return static_cast<float>(value); });
  }
  return found;
}

const float* optional_floats(const LayerReader& reader, const char* role, int64_t count) {
  if (reader.find_tensor(role) == nullptr) return nullptr;
  return reader.tensor(role, {DType::kF32}, {count}).as<float>();
}

// The threshold behind: its own reader checks it, as its builder will once more.
void read_threshold(const LayerReader& own, int index, int64_t taps, const KernelChoice& choice,
                    UnitStep& step) {
  const Program& program = own.program();
  const LayerReader reader(program, program.layers[index], index);
  step.words = reader.output({DType::kU1});
  reader.require_shape(step.words, own.value(step.output).shape);
  const auto* sign = reader.tensor("sign", {DType::kS8}, {step.outputs}).as<int8_t>();
  const auto* level = reader.tensor("level", {DType::kF32}, {step.outputs}).as<float>();
  for (int64_t o = 0; o < step.outputs; ++o) {
    reader.require(sign[o] == 1 || sign[o] == -1, "sign must be -1 or +1", std::to_string(sign[o]));
  }
  step.sign = parameters(sign, step.outputs, 1);
  step.level = parameters(level, step.outputs, 0);
  step.unneeded = program.unneeded[step.output];
  // An infinite number's sums don't rise or fall with acc: floats decide there.
  const auto finite = [](float value) { return std::isfinite(value); };
  step.chain = step.unneeded && step.residual < 0 &&
               std::all_of(step.scale.begin(), step.scale.end(), finite) &&
               std::all_of(step.bias.begin(), step.bias.end(), finite);
  if (!step.chain) return;
  step.unit_chain = choice.choose<ChainB1>().entry;
  step.limits = find_limits(step.scale, step.bias, step.relu, step.sign, step.level, taps);
}

std::string reason_of(const UnitStep& step, const KernelChoice& choice) {
  const std::string why = choice.reason(step.unit);
  if (step.chain) return concat("bits to bits, by integers; ", why);
  if (step.words < 0) return concat("bits; ", why);
  return concat(step.unneeded ? "bits to bits; " : "bits, writes the next layer's bits; ", why);
}

}  // namespace

bool runs_as_unit(const Program& program, const Layer& layer) {
  const int residual = layer.input("residual");
  return is_unit(program, layer) && lies_in_pixels(program, layer.output) &&
         (residual < 0 || lies_in_pixels(program, residual));
}

StepPtr build_unit(const LayerReader& reader, const KernelChoice& choice, const Window& window) {
  const Program& program = reader.program();
  const Layer& layer = reader.layer();
  auto step = std::make_unique<UnitStep>();
  step->bits = layer.input("bits");
  step->residual = layer.input("residual");
  step->output = layer.output;
  const Shape& in = reader.value(step->bits).shape;
  const Shape& out = reader.value(step->output).shape;
  step->outputs = out.channels;
  const int64_t places = window.kernel_h * window.kernel_w;
  step->branch = build_binary_branch(reader, choice, step->bits, window, out, *step);
  step->scale = parameters(optional_floats(reader, "binary.scale", out.channels), out.channels, 1);
  step->bias = parameters(optional_floats(reader, "bias", out.channels), out.channels, 0);
  step->relu = reader.activation().kind == ActivationKind::relu;
  step->unit = choice.choose<UnitB1>().entry;
  const int threshold = program.writes_bits[reader.index()];
  if (threshold >= 0) read_threshold(reader, threshold, in.channels * places, choice, *step);
  step->kernel = step->chain ? step->unit_chain->name : step->unit->name;
  step->reason = reason_of(*step, choice);
  step->shared_bytes = step->branch->words_bytes() + step->branch->ones_bytes();
  step->packed_bytes = step->branch->weights.size() * sizeof(uint64_t) +
                       (step->scale.size() + step->bias.size() + step->sign.size() +
                        step->level.size() + step->limits.sign.size() * 2) *
                           sizeof(float);
  return step;
}

}  // namespace niwaki
