// conv of floats: one of the convolution algorithms, in one pass on padded planes; with bits as
// well, their sums are what the pass adds at its store.
#include <algorithm>
#include <memory>

#include "engine/binary_term.h"
#include "engine/halves.h"
#include "engine/ops_conv.h"
#include "engine/pixels.h"
#include "engine/text.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr int64_t kMaxRow = int64_t{1} << 26;  // positions of one output channel's weights

class AlgorithmStep : public Step {
 public:
  bool batched() const override { return term == nullptr; }

  void run(Run& run) const override {
    const float* added = residual >= 0 ? run.planes(residual) : nullptr;
    if (term != nullptr) {
      if (in_parts && run.threads() == 1) return run_parts(run, added);
      uint8_t* scratch = run.shared() + term_at;
      term->run(run, {scratch, run.planes(x), added, term->origin(scratch)});
      added = term->origin(scratch);
    }
    if (in_halves) return run_halves(run, added);
    const conv::Call call{run.planes(x), run.planes(output), added, run.images(), run.shared()};
    // The pads of the output, which no algorithm touches, are cleared by all threads together:
    // behind the last stage that has any tasks for as many images.
    int last = -1;
    for (int stage = 0; stage < algorithm->stages(); ++stage) {
      if (algorithm->tasks(stage, call.images) > 0) last = stage;
    }
    if (last < 0) clear_pad_rows(out, call.images, call.output);
    for (int stage = 0; stage < algorithm->stages(); ++stage) {
      const int64_t tasks = algorithm->tasks(stage, call.images);
      run.parallel(tasks, [&](int64_t task, uint8_t* scratch) {
        algorithm->run(call, stage, task, scratch);
        if (stage != last) return;
        clear_pad_rows(out, call.images, call.output, out.channels * task / tasks,
                       out.channels * (task + 1) / tasks);
      });
    }
  }

  bool clears_pads() const override { return !in_halves && (term == nullptr || !in_parts); }

  // The pads of the output, where it isn't in halves, are the engine's to clear.
  void run_halves(Run& run, const float* added) const {
    conv::Call calls[2];
    for (int64_t half = 0; half < 2; ++half) {
      calls[half] = {run.planes(x) + first_x + half * second_x,
                     run.planes(output) + half * second_output,
                     added == nullptr ? nullptr : added + half * second_residual, run.images(),
                     run.shared() + static_cast<size_t>(half) * half_bytes};
    }
    for (int stage = 0; stage < algorithm->stages(); ++stage) {
      const int64_t tasks = algorithm->tasks(stage, run.images());
      run.parallel(2 * tasks, [&](int64_t task, uint8_t* scratch) {
        algorithm->run(calls[task / tasks], stage, task % tasks, scratch);
      });
    }
  }

  // Term and convolution in turns, the term where the output will be: what one has written, the
  // other finds in the cache.
  void run_parts(Run& run, const float* shortcut) const {
    float* sums = run.planes(output);
    const BinaryTerm::Call made{run.shared() + term_at, run.planes(x), shortcut, sums};
    const conv::Call call{made.x, sums, sums, 1, run.shared()};
    term->begin(run, made);
    for (int64_t part = 0; part < term->parts(); ++part) {
      term->part(run, made, part);
      algorithm->run_range(call, term->first_of(part), term->first_of(part + 1), run.scratch());
    }
  }

  bool bands() const override { return term == nullptr && algorithm->bands(); }

  void run_rows(const Run& run, int64_t first, int64_t last) const override {
    const conv::Call call{run.planes(x), run.planes(output),
                          residual >= 0 ? run.planes(residual) : nullptr, 1, run.shared()};
    algorithm->run_rows(call, first, last, run.scratch());
  }

  int64_t rows_needed(int input, int64_t rows) const override {
    const int64_t below = (rows - 1) * window.stride_h + (window.kernel_h - 1) * window.dilation_h -
                          window.pad_top + 1;
    int64_t needed = -1;
    if (input == residual) needed = rows;
    if (input == x) needed = std::max({needed, below, int64_t{0}});
    return needed;
  }

  int64_t lowest_row(int input, int64_t first) const override {
    const int64_t above = (first - 1) * window.stride_h - window.pad_top;
    if (input == residual) return input == x ? std::min(first - 1, above) : first - 1;
    return input == x ? above : kAnyRow;
  }

  std::unique_ptr<conv::Algorithm> algorithm;
  std::unique_ptr<BinaryTerm> term;  // of bits, where the layer has any
  size_t term_at = 0;                // its place in the shared scratch
  bool in_parts = false;             // term and convolution may take turns
  bool in_halves = false;            // the algorithm is a half's (halves.h)
  int64_t first_x = 0;               // to the first row that the upper half reads
  int64_t second_x = 0, second_residual = 0, second_output = 0;  // to the lower half's
  size_t half_bytes = 0;                                         // of shared scratch
  Window window;
  Planes out;  // the output's
  std::vector<uint32_t> mask;
  int x = -1, residual = -1, output = 0;
};

bool in_halves(const Program& program, const Layer& layer) {
  const auto halved = [&](int id) { return id >= 0 && program.layouts[id].second_half > 0; };
  return halved(layer.input("x")) || halved(layer.input("residual")) || halved(layer.output);
}

// Makes the problem a half's. The rows above and below that it reads are there: to the window they
// belong to the input.
void see_half(const Program& program, const Layer& layer, AlgorithmStep& step,
              conv::Problem& problem) {
  const Half x = half_of(program.layouts[step.x]);
  const Half out = half_of(program.layouts[layer.output]);
  const Reach reach = reach_of_half(step.window, x.planes.height, out.planes.height);
  problem.input = x.planes;
  problem.input.height += reach.above + reach.below;
  problem.output = out.planes;
  if (step.residual >= 0) {
    const Half residual = half_of(program.layouts[step.residual]);
    problem.residual = residual.planes;
    step.second_residual = residual.second;
  }
  problem.is_half = true;
  problem.window.pad_top = problem.window.pad_bottom = 0;
  problem.threads = (problem.threads + 1) / 2;
  step.in_halves = true;
  step.first_x = -reach.above * x.planes.row;
  step.second_x = x.second;
  step.second_output = out.second;
}

}  // namespace

bool is_float_conv(const Program& program, const Layer& layer) {
  const int x = layer.input("x");
  const int residual = layer.input("residual");
  return x >= 0 && is_float_map(program, x) && is_float_map(program, layer.output) &&
         (residual < 0 || is_float_map(program, residual));
}

void wish_conv(const LayerReader& reader, LayoutWish& wish) {
  const Layer& layer = reader.layer();
  if (layer.op == "conv" && is_unit(reader.program(), layer)) {
    wish.pixels = {layer.output};
    const int shortcut = layer.input("residual");
    if (shortcut >= 0) {
      wish.pixels.push_back(shortcut);
      wish.in_place = {shortcut};
    }
    return;
  }
  if (!is_float_conv(reader.program(), layer)) return;
  const int x = layer.input("x");
  const int residual = layer.input("residual");
  const Shape& in = reader.value(x).shape;
  const Shape& out = reader.value(layer.output).shape;
  const Window window = reader.window(INT32_MAX);
  PlanesWish input{x};
  const int64_t rows = std::max(window.pad_top, window.pad_bottom);
  const int64_t columns = std::max(window.pad_left, window.pad_right);
  // Pads travel with the value through every layer: large ones, and an output that wastes a long
  // row, cost more than the algorithm's own copy.
  const bool small =
      columns <= std::max<int64_t>(1, in.width / 3) && rows <= std::max<int64_t>(1, in.height / 3);
  const bool one_row =
      window.stride_h == 1 && window.stride_w == 1 && small && (out.width + 1) * 5 >= in.width * 4;
  // Behind a stride only the sparse algorithms copy anyway (into phases).
  if (one_row || (small && reader.find_tensor("weight") != nullptr)) {
    input.pad_rows = rows;
    input.pad_columns = columns;
  }
  if (one_row) wish.joined.emplace_back(x, layer.output);
  wish.planes = {input, {layer.output}};
  if (residual >= 0) {
    wish.planes.push_back({residual});
    wish.joined.emplace_back(residual, layer.output);
    wish.in_place = {residual};  // every algorithm reads it where, and before, it stores
  }
}

StepPtr build_float_conv(const LayerReader& reader, const KernelChoice& choice,
                         const Window& window, const std::string& storage) {
  const Program& program = reader.program();
  const Layer& layer = reader.layer();
  auto step = std::make_unique<AlgorithmStep>();
  step->x = layer.input("x");
  step->residual = layer.input("residual");
  step->output = layer.output;
  const Shape& in = reader.value(step->x).shape;
  const Shape& out = reader.value(step->output).shape;
  conv::Problem problem;
  problem.input = program.layouts[step->x].planes;
  problem.output = program.layouts[step->output].planes;
  if (step->residual >= 0) {
    reader.require_shape(step->residual, out);
    problem.residual = program.layouts[step->residual].planes;
    problem.has_residual = true;
    problem.over_residual =
        memory_of(program, step->residual) == memory_of(program, layer.output) &&
        problem.residual == problem.output;
  }
  if (layer.input("bits") >= 0) {
    // The algorithm adds the binary branch, shortcut included, as it adds a shortcut.
    step->term = std::make_unique<BinaryTerm>(reader, choice, window, problem, *step);
    problem.residual = step->term->planes();
    problem.has_residual = true;
  }
  reader.require(problem.input.image <= kMaxPositions && problem.output.image <= kMaxPositions,
                 "the padded image must have fewer than 2^31 elements",
                 concat(in.text(), " with its pads"));
  problem.window = window;
  step->window = window;
  step->out = problem.output;
  problem.groups = reader.integer("groups", 1, in.channels, 1);
  reader.require(in.channels % problem.groups == 0 && out.channels % problem.groups == 0,
                 "groups must divide both channel counts", std::to_string(problem.groups));
  const int64_t inputs = problem.inputs_per_group();
  const int64_t taps = window.kernel_h * window.kernel_w;
  reader.require(taps <= kMaxRow / inputs, "a channel must have at most 2^26 weights",
                 concat(inputs, " x ", taps));
  const int64_t row_size = inputs * taps;
  EntryLists lists;
  if (storage == "sparse") {
    lists = entries_of_sparse(reader, out.channels, row_size, DType::kF32);
  } else {
    const Tensor& weight = reader.tensor("weight", {DType::kF32},
                                         {out.channels, inputs, window.kernel_h, window.kernel_w});
    lists = entries_of_dense(weight, out.channels, inputs, taps);
    problem.dense = weight.as<float>();
  }
  problem.weights = &lists;
  if (reader.find_tensor("bias") != nullptr) {
    problem.bias = reader.tensor("bias", {DType::kF32}, {out.channels}).as<float>();
  }
  problem.activation = reader.activation();
  problem.density =
      static_cast<double>(lists.entries.size()) / static_cast<double>(out.channels * row_size);
  problem.threads = choice.threads();
  if (in_halves(program, layer)) see_half(program, layer, *step, problem);
  problem.isa = choice.isa();
  problem.max_images = step->term != nullptr ? 1 : choice.images();
  if (problem.output.row != problem.output.width) {
    step->mask = pixel_mask(problem.output);
    problem.mask = step->mask.data();
  }
  const conv::Choice chosen = choice.choose_convolution(layer.name, problem);
  step->algorithm = chosen.row->build(problem, chosen.tuning);
  step->half_bytes = align_bytes(step->algorithm->shared_bytes);
  step->shared_bytes = step->in_halves ? 2 * step->half_bytes : step->algorithm->shared_bytes;
  step->thread_bytes = step->algorithm->thread_bytes;
  step->packed_bytes = step->algorithm->packed_bytes;
  step->kernel = step->algorithm->kernel;
  if (step->term != nullptr) {
    step->term_at = align_bytes(step->shared_bytes);
    step->shared_bytes = step->term_at + step->term->scratch_bytes();
    step->packed_bytes += step->term->packed_bytes();
    step->skips = step->term->threshold();
    step->in_parts = step->term->parts() > 0 && step->algorithm->ranges();
    step->kernel += " + " + step->term->kernel();
  }
  step->algorithm_name = std::string(chosen.row->name);
  step->tuning = conv::tuning_text(chosen.tuning);
  step->reason = step->in_halves ? concat(chosen.reason, "; on halves") : chosen.reason;
  step->density = problem.density;
  // Multiplications with zeros that the algorithm skips aren't counted.
  const bool skips = problem.dense == nullptr || problem.density < 0.5;
  step->macs = static_cast<int64_t>(problem.multiplications() * (step->in_halves ? 2 : 1) *
                                    (skips ? problem.density : 1));
  return step;
}

}  // namespace niwaki
