#include "engine/layouts.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "engine/pixels.h"
#include "engine/program.h"

namespace niwaki {
namespace {

using kernels::Planes;

// Sets of values that share `row`.
class Sets {
 public:
  explicit Sets(size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0); }
  int find(int id) {
    while (parents_[id] != id) id = parents_[id] = parents_[parents_[id]];
    return id;
  }
  void join(int a, int b) { parents_[find(a)] = find(b); }

 private:
  std::vector<int> parents_;
};

class Pass {
 public:
  explicit Pass(Program& program) : program_(program), sets_(program.values.size()) {
    program_.layouts.assign(program_.values.size(), {});
    pad_rows_.assign(program_.values.size(), 0);
    rows_.assign(program_.values.size(), 0);
    last_reader_.assign(program_.values.size(), -1);
  }

  void run() {
    read_wishes();
    place_windows();
    choose_rows();
    for (int id = 0; id < static_cast<int>(program_.values.size()); ++id) set_planes(id);
    share_memory();
  }

 private:
  ValueLayout& layout(int id) { return program_.layouts[id]; }

  void read_wishes() {
    for (int index = 0; index < static_cast<int>(program_.layers.size()); ++index) {
      const Layer& layer = program_.layers[index];
      wishes_.emplace_back();
      const OpRow* op = find_op(layer.op);
      if (op->wish != nullptr) op->wish(LayerReader(program_, layer, index), wishes_.back());
      for (int id : layer.inputs) last_reader_[id] = index;
    }
    const std::vector<bool> pixels = choose_pixels(program_, wishes_);
    for (size_t id = 0; id < pixels.size(); ++id) program_.layouts[id].pixels = pixels[id];
    apply_wishes();
  }

  void apply_wishes() {
    std::vector<bool> compact(program_.values.size(), false);
    const int count = static_cast<int>(program_.layers.size());
    for (int index = 0; index < count; ++index) {
      const Layer& layer = program_.layers[index];
      LayoutWish& wish = wishes_[index];
      if (wish.follows && runs_on_pixels(program_, layer)) {
        wish.planes.clear();
        wish.joined.clear();
        wish.in_place.clear();  // the epilogue's chunks overlap: what they write isn't read again
      }
      std::vector<int> touched = layer.inputs;
      touched.push_back(layer.output);
      for (int id : touched) {
        const bool taken = std::any_of(wish.planes.begin(), wish.planes.end(),
                                       [id](const PlanesWish& each) { return each.value == id; });
        const bool any_form =
            std::find(wish.any_form.begin(), wish.any_form.end(), id) != wish.any_form.end();
        if (!taken && !any_form) compact[id] = true;
        if (id == layer.output) layout(id).made_as_planes = taken;
      }
      for (const PlanesWish& each : wish.planes) {
        layout(each.value).has_planes = true;
        // Columns are promised by a row of zeros above as well: the left pad of row 0 lies there.
        const int64_t rows =
            each.pad_columns > 0 ? std::max<int64_t>(each.pad_rows, 1) : each.pad_rows;
        pad_rows_[each.value] = std::max(pad_rows_[each.value], rows);
        const int64_t row = program_.values[each.value].shape.width + each.pad_columns;
        rows_[each.value] = std::max(rows_[each.value], row);
      }
      for (const auto& [a, b] : wish.joined) sets_.join(a, b);
    }
    for (size_t id = 0; id < compact.size(); ++id) {
      layout(static_cast<int>(id)).has_compact = compact[id] || !program_.layouts[id].has_planes;
    }
  }

  // Later concats first: a DenseNet's grow, and the last one holds all the earlier ones.
  void place_windows() {
    for (int index = static_cast<int>(wishes_.size()) - 1; index >= 0; --index) {
      const Layer& layer = program_.layers[index];
      if (!wishes_[index].concat || !planes_only(layer.output)) continue;
      int64_t channel = 0;
      for (size_t i = 0; i < layer.inputs.size(); ++i) {
        const int id = layer.inputs[i];
        if (can_be_window(id, layer)) {
          const int outer = layout(layer.output).window_of;
          layout(id).window_of = outer >= 0 ? outer : layer.output;
          layout(id).window_channel = channel + layout(layer.output).window_channel;
          sets_.join(id, layer.output);
        }
        channel += program_.values[id].shape.channels;
      }
      place_inner_concats(index);
    }
  }

  // An earlier concat of a run of this one's inputs is a window as well.
  void place_inner_concats(int index) {
    const std::vector<int>& outer = program_.layers[index].inputs;
    for (int earlier = index - 1; earlier >= 0; --earlier) {
      const Layer& layer = program_.layers[earlier];
      if (!wishes_[earlier].concat || !can_be_window(layer.output, layer)) continue;
      auto at = std::search(outer.begin(), outer.end(), layer.inputs.begin(), layer.inputs.end());
      if (at == outer.end()) continue;
      const bool all = std::all_of(layer.inputs.begin(), layer.inputs.end(),
                                   [&](int id) { return layout(id).window_of >= 0; });
      const int first = *at;
      int64_t channel = layout(first).window_channel;
      bool dense = all;
      for (int id : layer.inputs) {
        dense = dense && layout(id).window_of == layout(first).window_of &&
                layout(id).window_channel == channel;
        channel += program_.values[id].shape.channels;
      }
      if (!dense) continue;
      layout(layer.output).window_of = layout(first).window_of;
      layout(layer.output).window_channel = layout(first).window_channel;
      sets_.join(layer.output, first);
    }
  }

  bool planes_only(int id) { return layout(id).has_planes && !layout(id).has_compact; }

  // Each value lies in one place, and at one place in a concat.
  bool can_be_window(int id, const Layer& layer) {
    return planes_only(id) && layout(id).window_of < 0 && !holds_windows(id) &&
           std::count(layer.inputs.begin(), layer.inputs.end(), id) <= 1;
  }
  bool holds_windows(int id) {
    return std::any_of(program_.layouts.begin(), program_.layouts.end(),
                       [id](const ValueLayout& each) { return each.window_of == id; });
  }

  void choose_rows() {
    for (int id = 0; id < static_cast<int>(program_.values.size()); ++id) {
      if (!layout(id).has_planes) continue;
      int64_t& row = rows_[sets_.find(id)];
      row = std::max({row, rows_[id], program_.values[id].shape.width});
      // A window has the pads of its buffer, hence of all who read any of it.
      const int buffer = layout(id).window_of;
      if (buffer >= 0) pad_rows_[buffer] = std::max(pad_rows_[buffer], pad_rows_[id]);
    }
    round_rows();
  }

  // Rows of whole half lines align the taps above and below, which then load faster. It pays where
  // it costs hardly any vectors (14x14: 16 instead of 15, 7x7 has 8), not elsewhere.
  void round_rows() {
    constexpr int64_t kStep = 8, kLine = 16;
    std::vector<int64_t> now(rows_.size(), 0), rounded(rows_.size(), 0);
    std::vector<bool> padded(rows_.size(), false);
    auto vectors = [](const Shape& shape, int64_t row) {
      return shape.channels * ((shape.height * row + kLine - 1) / kLine);
    };
    for (int id = 0; id < static_cast<int>(program_.values.size()); ++id) {
      if (!layout(id).has_planes) continue;
      const auto root = static_cast<size_t>(sets_.find(id));
      const Shape& shape = program_.values[id].shape;
      now[root] += vectors(shape, rows_[root]);
      rounded[root] += vectors(shape, (rows_[root] + kStep - 1) / kStep * kStep);
      if (pad_rows_[id] > 0) padded[root] = true;
    }
    for (size_t root = 0; root < rows_.size(); ++root) {
      if (padded[root] && rounded[root] * 50 <= now[root] * 51) {
        rows_[root] = (rows_[root] + kStep - 1) / kStep * kStep;
      }
    }
  }

  Planes geometry(int id, int64_t pad_rows) {
    const Shape& shape = program_.values[id].shape;
    const int64_t row = rows_[sets_.find(id)];
    // One pixel per channel: in a row of vectors rather than a vector each.
    const bool single = shape.pixels() == 1;
    if (row == shape.width && pad_rows == 0 && (single || layout(id).has_compact)) {
      return kernels::compact_planes(shape.channels, shape.height, shape.width);
    }
    return kernels::make_planes(shape.channels, shape.height, shape.width, row, pad_rows);
  }

  void set_planes(int id) {
    ValueLayout& chosen = layout(id);
    if (!chosen.has_planes) return;
    const int buffer = chosen.window_of >= 0 ? chosen.window_of : id;
    chosen.planes = geometry(id, pad_rows_[buffer]);
    if (buffer != id) chosen.planes.image = geometry(buffer, pad_rows_[buffer]).image;
  }

  // An elementwise step may write over an input that nobody reads afterwards, a convolution over
  // its residual.
  void share_memory() {
    for (int index = 0; index < static_cast<int>(wishes_.size()); ++index) {
      const Layer& layer = program_.layers[index];
      if (!plain(layer.output)) continue;
      for (int input : wishes_[index].in_place) {
        const bool dies = last_reader_[input] == index && plain(input) &&
                          std::count(layer.inputs.begin(), layer.inputs.end(), input) == 1;
        if (!dies || !(layout(input).planes == layout(layer.output).planes) ||
            layout(input).pixels != layout(layer.output).pixels) {
          continue;
        }
        layout(layer.output).same_memory = input;
        break;
      }
    }
  }
  // Planes or pixels of their own, seen by nobody else at the end.
  bool plain(int id) {
    const bool one_form = planes_only(id) || (layout(id).pixels && !layout(id).has_planes);
    return one_form && layout(id).window_of < 0 && !holds_windows(id) &&
           std::count(program_.outputs.begin(), program_.outputs.end(), id) == 0 &&
           std::count(program_.inputs.begin(), program_.inputs.end(), id) == 0;
  }

  Program& program_;
  Sets sets_;
  std::vector<LayoutWish> wishes_;  // by layer
  std::vector<int64_t> pad_rows_, rows_;
  std::vector<int> last_reader_;
};

}  // namespace

int memory_of(const Program& program, int id) {
  while (program.layouts[id].same_memory >= 0) id = program.layouts[id].same_memory;
  return program.layouts[id].window_of >= 0 ? program.layouts[id].window_of : id;
}

bool is_float_map(const Program& program, int id) {
  const Value& value = program.values[id];
  return value.dtype == DType::kF32 && !value.shape.flat && !value.shape.general;
}

void choose_layouts(Program& program) {
  Pass(program).run();
  choose_fusions(program);
}

void part_residuals(Program& program) {
  for (const Layer& layer : program.layers) {
    ValueLayout& layout = program.layouts[layer.output];
    if (layer.op == "conv" && layout.same_memory >= 0) layout.same_memory = -1;
  }
}

bool lies_alone(const Program& program, int id) {
  const ValueLayout& layout = program.layouts[id];
  const auto shares = [id](const ValueLayout& other) {
    return other.window_of == id || other.same_memory == id;
  };
  return layout.has_planes && !layout.has_compact && layout.window_of < 0 &&
         layout.same_memory < 0 &&
         std::none_of(program.layouts.begin(), program.layouts.end(), shares);
}

void match_pads(Program& program) {
  std::map<std::array<int64_t, 4>, std::vector<int>> alike;
  const int count = static_cast<int>(program.values.size());
  for (int id = 0; id < count; ++id) {
    if (!lies_alone(program, id)) continue;
    const Planes& planes = program.layouts[id].planes;
    alike[{planes.channels, planes.height, planes.width, planes.row}].push_back(id);
  }
  for (const auto& [size, ids] : alike) {
    const auto fewer = [&](int a, int b) {
      return program.layouts[a].planes.pad_rows < program.layouts[b].planes.pad_rows;
    };
    const Planes most = program.layouts[*std::max_element(ids.begin(), ids.end(), fewer)].planes;
    for (int id : ids) program.layouts[id].planes = most;
  }
}

}  // namespace niwaki
