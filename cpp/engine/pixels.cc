#include "engine/pixels.h"

#include <algorithm>

namespace niwaki {
namespace {

bool contains(const std::vector<int>& ids, int id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool is_single(const Program& program, int id) {
  return !program.values[id].shape.general && program.values[id].shape.pixels() == 1;
}

// Values that some step takes in compact form only.
std::vector<bool> find_blocked(const Program& program, const std::vector<LayoutWish>& wishes) {
  std::vector<bool> blocked(program.values.size(), false);
  for (int id : program.inputs) blocked[id] = true;
  for (size_t index = 0; index < wishes.size(); ++index) {
    const LayoutWish& wish = wishes[index];
    std::vector<int> touched = program.layers[index].inputs;
    touched.push_back(program.layers[index].output);
    for (int id : touched) {
      const bool planes = std::any_of(wish.planes.begin(), wish.planes.end(),
                                      [id](const PlanesWish& each) { return each.value == id; });
      if (!planes && !contains(wish.pixels, id) && !contains(wish.any_form, id)) {
        blocked[id] = true;
      }
    }
  }
  return blocked;
}

}  // namespace

std::vector<bool> choose_pixels(const Program& program, const std::vector<LayoutWish>& wishes) {
  std::vector<bool> blocked = find_blocked(program, wishes);
  auto refused = [&](const LayoutWish& wish) {
    return std::any_of(wish.pixels.begin(), wish.pixels.end(),
                       [&](int id) { return blocked[id] && !is_single(program, id); });
  };
  // A step that can't have all is a step on compact values itself.
  for (bool changed = true; changed;) {
    changed = false;
    for (const LayoutWish& wish : wishes) {
      if (!refused(wish)) continue;
      for (int id : wish.pixels) {
        changed = changed || !blocked[id];
        blocked[id] = true;
      }
    }
  }
  std::vector<bool> pixels(program.values.size(), false);
  for (size_t index = 0; index < wishes.size(); ++index) {
    const LayoutWish& wish = wishes[index];
    if (!refused(wish)) {
      for (int id : wish.pixels) pixels[id] = !is_single(program, id);
    }
  }
  for (size_t index = 0; index < wishes.size(); ++index) {
    const Layer& layer = program.layers[index];
    if (!wishes[index].follows || blocked[layer.output] || is_single(program, layer.output)) {
      continue;
    }
    const bool all =
        std::all_of(layer.inputs.begin(), layer.inputs.end(), [&](int id) { return pixels[id]; });
    if (all) pixels[layer.output] = true;
  }
  return pixels;
}

bool lies_in_pixels(const Program& program, int id) {
  return program.layouts[id].pixels || is_single(program, id);
}

bool runs_on_pixels(const Program& program, const Layer& layer) {
  return lies_in_pixels(program, layer.output) &&
         std::all_of(layer.inputs.begin(), layer.inputs.end(),
                     [&](int id) { return program.layouts[id].pixels; });
}

bool is_unit(const Program& program, const Layer& layer) {
  if ((layer.op != "conv" && layer.op != "linear") || layer.input("x") >= 0) return false;
  const Value& output = program.values[layer.output];
  const int residual = layer.input("residual");
  if (layer.input("bits") < 0 || output.dtype != DType::kF32 || output.shape.general) return false;
  if (output.shape.flat != (layer.op == "linear")) return false;
  if (residual >= 0 && (program.values[residual].dtype != DType::kF32 ||
                        program.values[residual].shape != output.shape)) {
    return false;
  }
  const Json* activation = layer.attrs.find("activation");
  const Json* kind = activation == nullptr ? nullptr : activation->find("kind");
  return kind == nullptr ||
         (kind->is_string() && (kind->string() == "none" || kind->string() == "relu"));
}

void choose_fusions(Program& program) {
  const int count = static_cast<int>(program.layers.size());
  std::vector<int> readers(program.values.size(), 0);
  for (const Layer& layer : program.layers) {
    for (int id : layer.inputs) ++readers[id];
  }
  for (int id : program.outputs) ++readers[id];
  program.writes_bits.assign(program.layers.size(), -1);
  program.written_by.assign(program.layers.size(), -1);
  program.unneeded.assign(program.values.size(), false);
  for (int index = 0; index < count; ++index) {
    const Layer& layer = program.layers[index];
    const int residual = layer.input("residual");
    if (!is_unit(program, layer) || !lies_in_pixels(program, layer.output) ||
        (residual >= 0 && !lies_in_pixels(program, residual))) {
      continue;
    }
    for (int reader = index + 1; reader < count; ++reader) {
      const Layer& threshold = program.layers[reader];
      if (threshold.op != "threshold" || threshold.input("x") != layer.output) continue;
      program.writes_bits[index] = reader;
      program.written_by[reader] = index;
      program.unneeded[layer.output] = readers[layer.output] == 1;
      break;
    }
  }
}

}  // namespace niwaki
