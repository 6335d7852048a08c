#include "engine/program.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "engine/error.h"
#include "engine/half.h"
#include "engine/ops.h"
#include "engine/text.h"

namespace niwaki {
namespace {

constexpr int64_t kMaxElements = std::numeric_limits<int32_t>::max();

struct DTypeRow {
  DType dtype;
  const char* name;
  size_t bytes;
};
constexpr DTypeRow kDTypes[] = {
    {DType::kF16, "f16", 2}, {DType::kF32, "f32", 4}, {DType::kF64, "f64", 8},
    {DType::kU8, "u8", 1},   {DType::kS8, "s8", 1},   {DType::kU16, "u16", 2},
    {DType::kS16, "s16", 2}, {DType::kS32, "s32", 4}, {DType::kS64, "s64", 8},
    {DType::kU64, "u64", 8}, {DType::kU1, "u1", 0},
};

// Reads the parts of one program; every failure names the file.
class Reader {
 public:
  explicit Reader(Program& program)
      : program_(program), json_(program.container.program), where_(program.container.name) {}

  void read() {
    program_.form = text(json_, "form", "the program");
    if (program_.form != "float" && program_.form != "integer") {
      fail("form must be float or integer", concat("'", program_.form, "'"));
    }
    program_.name = text(json_, "name", "the program");
    for (const Json& value : list(json_, "values", "the program")) read_value(value);
    check_names();
    read_tensors();
    program_.inputs = read_ids(list(json_, "inputs", "the program"), "inputs");
    if (program_.inputs.empty()) fail("a program must have an input", "none");
    produced_.assign(program_.values.size(), false);
    for (int id : program_.inputs) {
      if (produced_[id]) fail("inputs must be values of their own", concat("value ", id, " twice"));
      produced_[id] = true;
    }
    for (const Json& layer : list(json_, "layers", "the program")) read_layer(layer);
    program_.outputs = read_ids(list(json_, "outputs", "the program"), "outputs");
    if (program_.outputs.empty()) fail("a program must have an output", "none");
    for (int id : program_.outputs) {
      if (!produced_[id]) {
        fail("an output must be produced by a layer", concat("value ", id));
      }
    }
    if (const Json* source = json_.find("source")) {
      if (const Json* choices = source->find("choices")) program_.choices = *choices;
    }
  }

 private:
  [[noreturn]] void fail(const std::string& must, const std::string& got) const {
    throw Error(ErrorKind::kFormat, where_, must, got);
  }

  const Json& get(const Json& object, const char* key, const std::string& place) const {
    const Json* found = object.find(key);
    if (found == nullptr) fail(concat(place, " must have a '", key, "'"), object.describe());
    return *found;
  }

  const std::string& text(const Json& object, const char* key, const std::string& place) const {
    const Json& found = get(object, key, place);
    if (!found.is_string()) fail(concat(place, ": ", key, " must be a string"), found.describe());
    return found.string();
  }

  const std::vector<Json>& list(const Json& object, const char* key,
                                const std::string& place) const {
    const Json& found = get(object, key, place);
    if (!found.is_array()) fail(concat(place, ": ", key, " must be a list"), found.describe());
    return found.array();
  }

  // Sizes in [least, kMaxElements] whose product fits kMaxElements too.
  std::vector<int64_t> read_sizes(const Json& object, int64_t least,
                                  const std::string& place) const {
    std::vector<int64_t> sizes;
    int64_t elements = 1;
    for (const Json& size : list(object, "shape", place)) {
      if (!size.is_integer() || size.integer() < least || size.integer() > kMaxElements) {
        fail(concat(place, ": a size must be an integer in [", least, ", 2^31)"), size.describe());
      }
      sizes.push_back(size.integer());
      // Each factor is below 2^31, so the product can't wrap before it is checked.
      elements *= size.integer();
      if (elements > kMaxElements)
        fail(concat(place, ": must have fewer than 2^31 elements"), "more");
    }
    return sizes;
  }

  DType read_dtype(const Json& object, const std::string& place) const {
    const std::string& name = text(object, "dtype", place);
    for (const DTypeRow& row : kDTypes) {
      if (name == row.name) return row.dtype;
    }
    fail(concat(place, ": dtype must be known"), concat("'", name.substr(0, 20), "'"));
  }

  void read_value(const Json& json) {
    const std::string place = concat("value ", program_.values.size());
    Value value;
    value.name = text(json, "name", place);
    value.dtype = read_dtype(json, place);
    const std::string& layout = text(json, "layout", place);
    if (layout != "planes" && layout != "words") {
      fail(concat(place, ": layout must be planes or words"),
           concat("'", layout.substr(0, 20), "'"));
    }
    value.layout = layout == "words" ? Layout::kWords : Layout::kPlanes;
    switch (value.dtype) {
      case DType::kU1:
      case DType::kF32:
      case DType::kU8:
      case DType::kS8:
      case DType::kS32:
        break;
      default:
        fail(concat(place, ": dtype must be one of f32, u8, s8, s32, u1"), dtype_name(value.dtype));
    }
    if ((value.dtype == DType::kU1) != (value.layout == Layout::kWords)) {
      fail(concat(place, ": u1 must go with words"), dtype_name(value.dtype));
    }
    std::vector<int64_t> sizes = read_sizes(json, 1, place);
    if (sizes.size() > kMaxRank) {
      fail(concat(place, ": shape must be at most ", kMaxRank, " sizes"),
           std::to_string(sizes.size()));
    }
    value.shape = Shape::of(sizes);
    if (value.shape.general && value.layout == Layout::kWords) {
      fail(concat(place, ": the shape of words must be (C, H, W) or (C,)"), value.shape.text());
    }
    program_.values.push_back(std::move(value));
  }

  // Values are handed out by name.
  void check_names() const {
    std::unordered_set<std::string_view> names;
    for (const Value& value : program_.values) {
      if (!names.insert(value.name).second) {
        fail("values must have names of their own", "a name twice");
      }
    }
  }

  void read_tensors() {
    const Json& tensors = get(json_, "tensors", "the program");
    const auto& blobs = program_.container.blobs;
    if (!tensors.is_object() || tensors.keys().size() != blobs.size()) {
      fail("the program's tensors must be those of the file", tensors.describe());
    }
    for (size_t i = 0; i < blobs.size(); ++i) {
      const std::string place = concat("tensor '", tensors.keys()[i], "'");
      if (tensors.keys()[i] != blobs[i].name)
        fail(concat(place, " must be in the file's order"), "not");
      Tensor tensor;
      tensor.name = blobs[i].name;
      tensor.dtype = read_dtype(tensors.array()[i], place);
      if (tensor.dtype == DType::kU1) fail(concat(place, ": bits must be held as u64"), "u1");
      tensor.shape = read_sizes(tensors.array()[i], 0, place);
      tensor.data = blobs[i].data;
      const size_t bytes = tensor.bytes();
      if ((bytes + 63) / 64 * 64 != blobs[i].size) {
        fail(concat(place, " must take ", bytes, " bytes, padded to 64"),
             std::to_string(blobs[i].size));
      }
      if (std::any_of(tensor.data + bytes, tensor.data + blobs[i].size,
                      [](uint8_t byte) { return byte != 0; })) {
        fail(concat(place, " must be padded with zeros"), "another byte");
      }
      tensor.stored = tensor.data;
      tensor.stored_bytes = bytes;
      if (tensor.dtype == DType::kF16) widen(tensor);
      check_numbers(tensor);
      tensor_ids_.emplace(tensor.name, static_cast<int>(i));
      program_.tensors.push_back(std::move(tensor));
    }
  }

  // Makes floats of halves, padded with zeros to 64 bytes as the file's tensors are.
  void widen(Tensor& tensor) {
    const auto count = static_cast<size_t>(tensor.elements());
    AlignedBytes bytes((count * sizeof(float) + 63) / 64 * 64);
    std::memset(bytes.data(), 0, bytes.size());
    const uint16_t* halves = tensor.as<uint16_t>();
    float* floats = reinterpret_cast<float*>(bytes.data());
    for (size_t i = 0; i < count; ++i) floats[i] = half_to_float(halves[i]);
    tensor.dtype = DType::kF32;
    tensor.data = bytes.data();
    program_.widened.push_back(std::move(bytes));
  }

  // A NaN in a weight poisons every result: refuse it where it has a name.
  void check_numbers(const Tensor& tensor) const {
    auto is_nan = [](auto number) { return std::isnan(number); };
    const int64_t count = tensor.elements();
    const bool found =
        tensor.dtype == DType::kF32
            ? std::any_of(tensor.as<float>(), tensor.as<float>() + count, is_nan)
            : tensor.dtype == DType::kF64 &&
                  std::any_of(tensor.as<double>(), tensor.as<double>() + count, is_nan);
    if (found) {
      throw Error(ErrorKind::kValueDomain, where_,
                  concat("tensor '", tensor.name, "' must hold numbers only"), "NaN",
                  "Look for the layer that diverged in training");
    }
  }

  std::vector<int> read_ids(const std::vector<Json>& items, const std::string& place) const {
    std::vector<int> ids;
    for (const Json& item : items) ids.push_back(read_id(item, place));
    return ids;
  }

  int read_id(const Json& item, const std::string& place) const {
    if (!item.is_integer() || item.integer() < 0 ||
        item.integer() >= static_cast<int64_t>(program_.values.size())) {
      fail(concat(place, " must be value ids below ", program_.values.size()), item.describe());
    }
    return static_cast<int>(item.integer());
  }

  void read_layer(const Json& json) {
    const std::string index = concat("layer ", program_.layers.size());
    Layer layer;
    layer.name = text(json, "name", index);
    const std::string place = concat(index, " (", layer.name, ")");
    layer.op = text(json, "op", place);
    if (find_op(layer.op) == nullptr) {
      throw Error(ErrorKind::kUnsupportedOp, where_,
                  concat(place, ": the op must be one of ", op_names()), concat("'", layer.op, "'"),
                  "Update niwaki if the file is from a newer one");
    }
    layer.attrs = get(json, "attrs", place);
    if (!layer.attrs.is_object()) fail(concat(place, ": attrs must be an object"), "another kind");
    read_inputs(get(json, "inputs", place), layer, place);
    layer.output = read_id(get(json, "output", place), concat(place, ": output"));
    if (produced_[layer.output]) {
      fail(concat(place, ": a value must be produced once"),
           concat("value ", layer.output, " again"));
    }
    produced_[layer.output] = true;
    const Json& tensors = get(json, "tensors", place);
    if (!tensors.is_object())
      fail(concat(place, ": tensors must be an object"), tensors.describe());
    for (size_t i = 0; i < tensors.keys().size(); ++i) {
      const Json& name = tensors.array()[i];
      auto found = tensor_ids_.find(name.string());
      if (!name.is_string() || found == tensor_ids_.end()) {
        fail(concat(place, ": ", tensors.keys()[i], " must name a tensor of the program"),
             name.describe());
      }
      layer.tensor_roles.push_back(tensors.keys()[i]);
      layer.tensors.push_back(found->second);
    }
    program_.layers.push_back(std::move(layer));
  }

  void read_inputs(const Json& inputs, Layer& layer, const std::string& place) const {
    if (!inputs.is_object()) fail(concat(place, ": inputs must be an object"), inputs.describe());
    for (size_t i = 0; i < inputs.keys().size(); ++i) {
      const Json& item = inputs.array()[i];
      std::vector<int> ids = item.is_array()
                                 ? read_ids(item.array(), concat(place, ": inputs"))
                                 : std::vector<int>{read_id(item, concat(place, ": inputs"))};
      for (int id : ids) {
        if (!produced_[id]) {
          fail(concat(place, ": an input must be produced earlier"), concat("value ", id));
        }
        layer.roles.push_back(inputs.keys()[i]);
        layer.inputs.push_back(id);
      }
    }
    if (layer.inputs.empty()) fail(concat(place, ": a layer must have an input"), "none");
  }

  Program& program_;
  const Json& json_;
  const std::string& where_;
  std::vector<bool> produced_;
  std::unordered_map<std::string, int> tensor_ids_;
};

}  // namespace

const char* dtype_name(DType dtype) { return kDTypes[static_cast<int>(dtype)].name; }

size_t dtype_bytes(DType dtype) { return kDTypes[static_cast<int>(dtype)].bytes; }

Shape Shape::of(const std::vector<int64_t>& sizes) {
  Shape shape;
  if (!sizes.empty()) shape.channels = sizes.front();
  if (sizes.size() > 1) shape.width = sizes.back();
  for (size_t i = 1; i + 1 < sizes.size(); ++i) shape.height *= sizes[i];
  shape.flat = sizes.size() == 1;
  if (sizes.size() != 1 && sizes.size() != 3) shape.general = sizes;
  return shape;
}

std::vector<int64_t> Shape::sizes() const {
  if (general) return *general;
  return flat ? std::vector<int64_t>{channels} : std::vector<int64_t>{channels, height, width};
}

std::string Shape::text() const {
  if (flat) return concat("(", channels, ",)");
  std::string text;
  for (int64_t size : sizes()) text += concat(text.empty() ? "" : ", ", size);
  return concat("(", text, ")");
}

size_t Value::bytes() const {
  if (layout == Layout::kWords) {
    return static_cast<size_t>(shape.pixels() * shape.words_per_pixel()) * sizeof(uint64_t);
  }
  return static_cast<size_t>(shape.elements()) * dtype_bytes(dtype);
}

int64_t Tensor::elements() const {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return count;
}

int Layer::input(std::string_view role) const {
  for (size_t i = 0; i < roles.size(); ++i) {
    if (roles[i] == role) return inputs[i];
  }
  return -1;
}

Program load_program(Container container) {
  Program program;
  program.container = std::move(container);
  Reader(program).read();
  choose_layouts(program);
  return program;
}

}  // namespace niwaki
