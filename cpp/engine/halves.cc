#include "engine/halves.h"

#include <algorithm>
#include <cstring>

#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "engine/ops_conv.h"
#include "engine/ops_planes.h"

namespace niwaki {
namespace {

using kernels::Planes;

constexpr int64_t kTileRows = 4;
constexpr int64_t kLeastPixels = 96;  // of a half: with fewer its vectors are mostly ends

bool holds(const std::vector<int>& ids, int wanted) {
  return std::find(ids.begin(), ids.end(), wanted) != ids.end();
}

class Pass {
 public:
  explicit Pass(Program& program) : program_(program) {}

  void run() {
    const int layers = static_cast<int>(program_.layers.size());
    const int values = static_cast<int>(program_.values.size());
    for (int index = 0; index < layers; ++index) read(index);
    for (int id = 0; id < values; ++id) halved_.push_back(fits(id));
    while (drop_one()) {
    }
    for (int id = 0; id < values; ++id) {
      if (halved_[id]) halve(id);
    }
    for (const Layer& layer : program_.layers) part(layer);
  }

 private:
  const Layer& layer(int index) const { return program_.layers[index]; }
  const ValueLayout& layout(int id) const { return program_.layouts[id]; }
  const Shape& shape(int id) const { return program_.values[id].shape; }

  // A convolution of floats or a pool whose halves are alike.
  void read(int index) {
    const Layer& own = layer(index);
    can_.push_back(false);
    pads_.push_back(0);
    const LayerReader reader(program_, own, index);
    const bool conv = own.op == "conv" && is_float_conv(program_, own) && own.input("bits") < 0;
    const bool pool = (own.op == "max_pool" || own.op == "average_pool") &&
                      is_planes_pool(program_, own) && is_float_map(program_, own.output);
    if (!conv && !pool) return;
    // Winograd's tiles have four rows: a half has whole ones.
    const bool dense = conv && reader.find_tensor("weight") != nullptr;
    if (dense && shape(own.output).height / 2 % kTileRows != 0) return;
    const kernels::Window window = reader.window(INT32_MAX);
    const int64_t in = shape(own.input("x")).height, out = shape(own.output).height;
    if (out % 2 != 0 || in != out * window.stride_h) return;
    const Reach reach = reach_of_half(window, in / 2, out / 2);
    pads_.back() = std::max(reach.above, reach.below);
    if (window.pad_left > 0 || window.pad_right > 0) {
      pads_.back() = std::max<int64_t>(pads_.back(), 1);  // a row's left pad lies in the row above
    }
    can_.back() = pads_.back() <= in / 2;
  }

  // Planes of its own with enough rows.
  bool fits(int id) const {
    const ValueLayout& own = layout(id);
    if (!own.has_planes || own.has_compact || own.window_of >= 0) return false;
    if (holds(program_.inputs, id) || holds(program_.outputs, id)) return false;
    const auto lies_in = [id](const ValueLayout& other) { return other.window_of == id; };
    if (std::any_of(program_.layouts.begin(), program_.layouts.end(), lies_in)) return false;
    return shape(id).height % 2 == 0 && shape(id).height / 2 * own.planes.row >= kLeastPixels &&
           own.planes.pad_rows <= shape(id).height / 2;
  }

  // Drops a step that can't run on halves for its input's pads, or a map that not all of its steps
  // have halves of; false where none is left.
  bool drop_one() {
    for (int index = 0; index < static_cast<int>(program_.layers.size()); ++index) {
      const Layer& own = layer(index);
      if (can_[index] && !halved_[own.input("x")] &&
          layout(own.input("x")).planes.pad_rows < pads_[index]) {
        can_[index] = false;
        return true;
      }
      if (halved_[own.output] && !can_[index]) {
        halved_[own.output] = false;
        return true;
      }
      for (const int id : own.inputs) {
        if (!halved_[id] || can_[index]) continue;
        halved_[id] = false;
        return true;
      }
    }
    return false;
  }

  void halve(int id) {
    ValueLayout& own = program_.layouts[id];
    Planes& planes = own.planes;
    for (int index = 0; index < static_cast<int>(program_.layers.size()); ++index) {
      if (layer(index).input("x") == id) planes.pad_rows = std::max(planes.pad_rows, pads_[index]);
    }
    planes.height /= 2;
    // Twice the pads between channels: below one, and above the next.
    const int64_t rows = planes.height + planes.pad_rows;
    planes.plane = kernels::make_planes(1, rows, planes.width, planes.row, planes.pad_rows).plane;
    planes.image = planes.channels * planes.plane + kernels::elements_before(planes);
    own.second_half = planes.image;  // somewhere, until place_halves()
  }

  // A convolution writes over its residual only where both lie alike.
  void part(const Layer& own) {
    ValueLayout& output = program_.layouts[own.output];
    if (output.same_memory >= 0 && !(output.planes == layout(output.same_memory).planes)) {
      output.same_memory = -1;
    }
  }

  Program& program_;
  std::vector<bool> can_;      // by layer: runs on halves
  std::vector<int64_t> pads_;  // by layer: rows of pads that a half reads
  std::vector<bool> halved_;   // by value
};

}  // namespace

void halve_maps(Program& program) { Pass(program).run(); }

void place_halves(Program& program, size_t bytes) {
  for (ValueLayout& layout : program.layouts) {
    if (layout.second_half > 0) layout.second_half = static_cast<int64_t>(bytes / sizeof(float));
  }
}

Half half_of(const ValueLayout& layout) {
  if (layout.second_half > 0) return {layout.planes, layout.second_half};
  Planes half = layout.planes;
  half.height /= 2;
  return {half, half.height * half.row};
}

Reach reach_of_half(const kernels::Window& window, int64_t input_rows, int64_t output_rows) {
  const int64_t last = (output_rows - 1) * window.stride_h - window.pad_top +
                       (window.kernel_h - 1) * window.dilation_h;
  return {window.pad_top, std::max<int64_t>(0, last - (input_rows - 1))};
}

void finish_half(const ValueLayout& layout, int64_t images, float* origin, int half) {
  const Planes& planes = layout.planes;
  if (planes.pad_rows == 0) return;
  float* own = origin + (half == 0 ? 0 : layout.second_half);
  const float* other = origin + (half == 0 ? layout.second_half : 0);
  kernels::clear_pad_rows(planes, images, own);
  const int64_t pads = planes.pad_rows * planes.row;
  const int64_t from = half == 0 ? 0 : planes.pixels() - pads;
  const int64_t to = half == 0 ? planes.pixels() : -pads;
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < planes.channels; ++c) {
      const int64_t at = n * planes.image + c * planes.plane;
      std::memcpy(own + at + to, other + at + from, static_cast<size_t>(pads) * sizeof(float));
    }
  }
}

void load_halves(const ValueLayout& layout, const float* data, int64_t images, float* origin) {
  const Planes& planes = layout.planes;
  Planes compact = kernels::compact_planes(planes.channels, 2 * planes.height, planes.width);
  compact.height = planes.height;
  for (int half = 0; half < 2; ++half) {
    kernels::copy_planes(compact, data + half * compact.pixels(), planes,
                         origin + half * layout.second_half, images);
  }
  for (int half = 0; half < 2; ++half) finish_half(layout, images, origin, half);
}

void store_halves(const ValueLayout& layout, const float* origin, int64_t images, float* data) {
  const Planes& planes = layout.planes;
  Planes compact = kernels::compact_planes(planes.channels, 2 * planes.height, planes.width);
  compact.height = planes.height;
  for (int half = 0; half < 2; ++half) {
    kernels::copy_planes(planes, origin + half * layout.second_half, compact,
                         data + half * compact.pixels(), images);
  }
}

}  // namespace niwaki
