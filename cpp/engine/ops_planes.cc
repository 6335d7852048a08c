#include "engine/ops_planes.h"

#include <algorithm>
#include <memory>

#include "engine/halves.h"
#include "engine/ops_pixels.h"
#include "engine/pixels.h"
#include "engine/text.h"
#include "planes_f32/planes_f32.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr int64_t kElementsPerTask = 1 << 14;

// A float map in the form that a step of this file touches: planes, or (C,) behind a global pool.
struct Map {
  int id = -1;
  Planes planes;
  int64_t second_half = 0;  // as in its layout
  bool as_planes = true;

  Map() = default;
  Map(const Program& program, int id) : id(id), as_planes(is_float_map(program, id)) {
    const Shape& shape = program.values[id].shape;
    planes = as_planes ? program.layouts[id].planes
                       : compact_planes(shape.channels, shape.height, shape.width);
    if (as_planes) second_half = program.layouts[id].second_half;
  }
  int64_t height() const { return second_half > 0 ? 2 * planes.height : planes.height; }
  int64_t to_lower_half() const {
    return second_half > 0 ? second_half : planes.height / 2 * planes.row;
  }
  float* at(const Run& run, int64_t image, int64_t channel) const {
    float* data =
        as_planes ? run.planes(id) + image * planes.image : run.image(image).value<float>(id);
    return data + channel * planes.plane;
  }
};

// Some channels of an image, between two of its output's rows.
struct Piece {
  int64_t image = 0, channel = 0, channels = 0, row = 0, end = 0;
};

// Work on some channels of each image; of every thread's rows where it can (cuts_rows).
class ChannelStep : public Step {
 public:
  bool batched() const override { return true; }

  void run(Run& run) const final {
    const int64_t channels = output.planes.channels, height = output.height();
    int64_t parts = cuts_rows() ? std::clamp<int64_t>(run.threads(), 1, height) : 1;
    if (on_halves()) parts = (parts + 1) / 2 * 2;  // none in both
    const int64_t each = chunk * parts;
    const int64_t per_part = (channels + each - 1) / each;
    run.parallel(per_part * parts * run.images(), [&](int64_t task, uint8_t* scratch) {
      const int64_t first = task % per_part * each, part = task / per_part % parts;
      run_piece(run,
                {task / (per_part * parts), first, std::min(each, channels - first),
                 height * part / parts, height * (part + 1) / parts},
                scratch);
    });
  }
  virtual void run_piece(const Run& run, const Piece& piece, uint8_t* scratch) const = 0;
  virtual bool cuts_rows() const { return false; }
  virtual bool on_halves() const { return false; }  // of maps; then each piece is of one half

  void cut(const Planes& planes) {
    chunk = std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(planes.pixels(), 1));
  }

  Map output;
  int64_t chunk = 1;
};

class MapStep final : public ChannelStep {
 public:
  bool bands() const override { return true; }

  void run_rows(const Run& run, int64_t first, int64_t last) const override {
    MapPlanesF32Args args = arguments(run, 0, 0, output.planes.channels);
    // From a whole word of the mask on: some pixels of the row before are made again.
    const int64_t begin = first * output.planes.row / 32 * 32;
    args.a += begin;
    if (args.b != nullptr) args.b += begin;
    args.output += begin;
    if (args.mask != nullptr) args.mask += begin / 32;
    args.pixels = last * output.planes.row - begin;
    map(args);
  }

  int64_t rows_needed(int input, int64_t rows) const override {
    return input == a.id || input == b.id ? rows : -1;
  }

  int64_t lowest_row(int input, int64_t first) const override {
    return input == a.id || input == b.id ? first - 1 : kAnyRow;
  }

  void run_piece(const Run& run, const Piece& piece, uint8_t*) const override {
    map(arguments(run, piece.image, piece.channel, piece.channels));
  }

  MapPlanesF32Args arguments(const Run& run, int64_t image, int64_t first, int64_t count) const {
    MapPlanesF32Args args{};
    args.a = a.at(run, image, first);
    args.a_plane = a.planes.plane;
    if (b.id >= 0) {
      args.b = b.at(run, image, first);
      args.b_plane = b.planes.plane;
    }
    if (gate >= 0) args.scale = run.image(image).value<float>(gate) + first;
    if (scale != nullptr) args.scale = scale + first;
    args.scale_stride = 1;
    args.bias = bias == nullptr ? nullptr : bias + first;
    args.activation = activation;
    args.mask = mask.empty() ? nullptr : mask.data();
    args.channels = count;
    args.pixels = output.planes.pixels();
    args.output = output.at(run, image, first);
    args.output_plane = output.planes.plane;
    return args;
  }

  Kernel<MapPlanesF32> map;
  Map a, b;
  int gate = -1;  // a value (C, 1, 1)
  const float* scale = nullptr;
  const float* bias = nullptr;
  Activation activation;
  std::vector<uint32_t> mask;
};

class PoolStep final : public ChannelStep {
 public:
  bool bands() const override { return output.as_planes; }

  void run_rows(const Run& run, int64_t first, int64_t last) const override {
    run_piece(run, {0, 0, output.planes.channels, first, last}, run.scratch());
  }

  int64_t rows_needed(int input, int64_t rows) const override {
    const int64_t below = (rows - 1) * window.stride_h + window.kernel_h - window.pad_top;
    return input == x.id ? std::max<int64_t>(below, 0) : -1;
  }

  bool cuts_rows() const override { return output.as_planes; }
  bool on_halves() const override { return in_halves; }

  void run_piece(const Run& run, const Piece& piece, uint8_t* scratch) const override {
    // The same windows, seen from the first row on.
    PoolPlanesF32Args args{};
    args.input = x.at(run, piece.image, piece.channel);
    args.in = x.planes;
    args.window = window;
    args.average = average;
    args.count_include_pad = count_include_pad;
    args.channels = piece.channels;
    args.output = output.at(run, piece.image, piece.channel);
    args.out = output.planes;
    args.out.height = piece.end - piece.row;
    args.scratch = reinterpret_cast<float*>(scratch);
    int64_t first = piece.row;
    if (in_halves && first >= output.height() / 2) {
      first -= output.height() / 2;
      see_lower_half(args);
    } else if (in_halves) {
      see_upper_half(args);
    }
    args.window.pad_top -= first * window.stride_h;
    args.output += first * args.out.row;
    pool(args);
  }

  // The half's own rows and those of the other one that its windows reach; towards the map's end
  // there are none.
  void see_upper_half(PoolPlanesF32Args& args) const {
    args.in.height = x.height() / 2 + reach.below;
  }
  void see_lower_half(PoolPlanesF32Args& args) const {
    args.input += x.to_lower_half() - reach.above * x.planes.row;
    args.in.height = x.height() / 2 + reach.above;
    args.window.pad_top -= reach.above;
    args.output += output.to_lower_half();
  }

  Kernel<PoolPlanesF32> pool;
  Map x;
  Window window;
  bool average = false, count_include_pad = false;
  bool in_halves = false;  // input or output (halves.h)
  Reach reach;             // of a half's windows
};

// Copies the inputs that aren't windows of the output already.
class ConcatStep final : public Step {
 public:
  bool batched() const override { return true; }

  void run(Run& run) const override {
    for (const auto& [input, channel] : copies) {
      copy_planes(input.planes, input.at(run, 0, 0), output.planes, output.at(run, 0, channel),
                  run.images(), input.planes.channels);
    }
  }
  // Where nothing is copied, a row is there when its parts are.
  bool bands() const override { return copies.empty(); }
  int64_t rows_needed(int, int64_t rows) const override { return rows; }

  std::vector<std::pair<Map, int64_t>> copies;  // and the channel where each begins
  Map output;
};

int data_input(const Layer& layer) {
  const int a = layer.input("a");
  return a >= 0 ? a : layer.input("x");
}

}  // namespace

bool is_planes_map(const Program& program, const Layer& layer) {
  const int a = data_input(layer);
  const int b = layer.input("b");
  if (a < 0 || !is_float_map(program, a) || !is_float_map(program, layer.output)) return false;
  if (program.values[a].shape != program.values[layer.output].shape) return false;
  if (b < 0) return true;
  // A gate is read as compact values: one that is its own map can't be both.
  if (!is_float_map(program, b) || (layer.op == "mul" && a == b)) return false;
  return layer.op == "mul" || program.values[b].shape == program.values[a].shape;
}

void wish_elementwise(const LayerReader& reader, LayoutWish& wish) {
  const Layer& layer = reader.layer();
  if (!is_planes_map(reader.program(), layer)) return;
  const int a = data_input(layer);
  wish.follows = layer.op == "add" || layer.op == "activation";
  wish.planes = {{a}, {layer.output}};
  wish.joined = {{a, layer.output}};
  wish.in_place = {a};
  const int b = layer.input("b");
  if (b >= 0 && layer.op != "mul") {
    wish.planes.push_back({b});
    wish.joined.emplace_back(b, layer.output);
    wish.in_place.push_back(b);
  }
}

StepPtr build_planes_map(const LayerReader& reader, const KernelChoice& choice) {
  const Program& program = reader.program();
  const Layer& layer = reader.layer();
  const bool follows = layer.op == "add" || layer.op == "activation";
  if (follows && runs_on_pixels(program, layer)) return build_pixels_map(reader, choice);
  auto step = std::make_unique<MapStep>();
  step->a = Map(program, data_input(layer));
  step->output = Map(program, layer.output);
  const int64_t channels = step->output.planes.channels;
  if (layer.op == "mul") {
    step->gate = layer.input("b");
  } else if (layer.input("b") >= 0) {
    step->b = Map(program, layer.input("b"));
  }
  if (layer.op == "affine") {
    step->scale = reader.tensor("scale", {DType::kF32}, {channels}).as<float>();
    step->bias = reader.tensor("bias", {DType::kF32}, {channels}).as<float>();
  }
  step->activation = reader.activation();
  if (step->output.planes.pad_columns() > 0) step->mask = pixel_mask(step->output.planes);
  step->map = choice.choose<MapPlanesF32>();
  step->cut(step->output.planes);
  step->kernel = step->map.entry->name;
  step->reason = choice.reason(step->map.entry);
  return step;
}

bool is_planes_pool(const Program& program, const Layer& layer) {
  const int x = layer.input("x");
  const Value& out = program.values[layer.output];
  return x >= 0 && is_float_map(program, x) && out.dtype == DType::kF32 && !out.shape.general;
}

void wish_pool(const LayerReader& reader, LayoutWish& wish) {
  const Layer& layer = reader.layer();
  if (!is_planes_pool(reader.program(), layer)) return;
  wish.follows = layer.op == "average_pool" || layer.op == "global_average_pool";
  wish.planes = {{layer.input("x")}};
  if (is_float_map(reader.program(), layer.output)) wish.planes.push_back({layer.output});
}

StepPtr build_planes_pool(const LayerReader& reader, const KernelChoice& choice,
                          const Window& window, bool average, bool count_include_pad) {
  const Layer& layer = reader.layer();
  if (average && runs_on_pixels(reader.program(), layer)) {
    return build_pixels_average(reader, choice, window, count_include_pad);
  }
  auto step = std::make_unique<PoolStep>();
  step->x = Map(reader.program(), layer.input("x"));
  step->output = Map(reader.program(), layer.output);
  step->window = window;
  step->average = average;
  step->count_include_pad = count_include_pad;
  step->in_halves = step->x.second_half > 0 || step->output.second_half > 0;
  if (step->in_halves) {
    step->reach = reach_of_half(window, step->x.height() / 2, step->output.height() / 2);
  }
  const int64_t scratch = pool_scratch(step->x.planes, step->output.planes, window);
  step->thread_bytes = static_cast<size_t>(scratch) * sizeof(float);
  step->pool = choice.choose<PoolPlanesF32>();
  step->cut(step->x.planes);
  step->kernel = step->pool.entry->name;
  step->reason = choice.reason(step->pool.entry);
  return step;
}

bool is_planes_concat(const Program& program, const Layer& layer) {
  const Json* axis = layer.attrs.find("axis");
  if (axis != nullptr && !(axis->is_integer() && axis->integer() == 0)) return false;
  const Shape& out = program.values[layer.output].shape;
  int64_t channels = 0;
  for (int id : layer.inputs) {
    if (!is_float_map(program, id)) return false;
    const Shape& shape = program.values[id].shape;
    if (shape.height != out.height || shape.width != out.width) return false;
    channels += shape.channels;
  }
  return is_float_map(program, layer.output) && channels == out.channels;
}

void wish_concat(const LayerReader& reader, LayoutWish& wish) {
  const Layer& layer = reader.layer();
  if (!is_planes_concat(reader.program(), layer)) return;
  wish.concat = true;
  wish.planes = {{layer.output}};
  for (int id : layer.inputs) wish.planes.push_back({id});
}

StepPtr build_planes_concat(const LayerReader& reader) {
  const Program& program = reader.program();
  const Layer& layer = reader.layer();
  auto step = std::make_unique<ConcatStep>();
  step->output = Map(program, layer.output);
  const ValueLayout& whole = program.layouts[layer.output];
  const int buffer = whole.window_of >= 0 ? whole.window_of : layer.output;
  int64_t channel = 0;
  for (int id : layer.inputs) {
    const ValueLayout& part = program.layouts[id];
    const bool there =
        part.window_of == buffer && part.window_channel == whole.window_channel + channel;
    if (!there) step->copies.emplace_back(Map(program, id), channel);
    channel += program.values[id].shape.channels;
  }
  step->kernel = step->copies.empty() ? "none" : "copy";
  step->reason = step->copies.empty()
                     ? "its inputs are written where they belong"
                     : concat(step->copies.size(), " of ", layer.inputs.size(), " are copied");
  return step;
}

}  // namespace niwaki
