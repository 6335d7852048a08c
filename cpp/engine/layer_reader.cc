#include "engine/layer_reader.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "engine/error.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// Beyond any network, and small enough that products of two never leave int64.
constexpr int64_t kMaxWindow = 1 << 20;

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::string text = "(";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + (sizes.size() == 1 ? ",)" : ")");
}

std::string dtype_names(std::initializer_list<DType> dtypes) {
  std::string text;
  for (DType dtype : dtypes) text += (text.empty() ? "" : " or ") + std::string(dtype_name(dtype));
  return text;
}

bool contains(std::initializer_list<DType> dtypes, DType dtype) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

}  // namespace

void LayerReader::fail(const std::string& must, const std::string& got) const {
  throw Error(ErrorKind::kFormat, program_.container.name,
              concat("layer ", index_, " (", layer_.name, "), ", layer_.op, ": ", must), got);
}

void LayerReader::check_dtype(int id, std::string_view role,
                              std::initializer_list<DType> dtypes) const {
  require(contains(dtypes, value(id).dtype), concat(role, " must be ", dtype_names(dtypes)),
          dtype_name(value(id).dtype));
}

int LayerReader::optional_input(std::string_view role, std::initializer_list<DType> dtypes) const {
  require(std::count(layer_.roles.begin(), layer_.roles.end(), role) <= 1,
          concat(role, " must be one value"), "a list");
  int id = layer_.input(role);
  if (id >= 0) check_dtype(id, role, dtypes);
  return id;
}

int LayerReader::input(std::string_view role, std::initializer_list<DType> dtypes) const {
  int id = optional_input(role, dtypes);
  require(id >= 0, concat("must have the input ", role), "none");
  return id;
}

int LayerReader::output(std::initializer_list<DType> dtypes) const {
  check_dtype(layer_.output, "output", dtypes);
  return layer_.output;
}

void LayerReader::require_shape(int id, const Shape& wanted) const {
  require(value(id).shape == wanted, concat("value ", id, " must have shape ", wanted.text()),
          value(id).shape.text());
}

void LayerReader::require_roles(std::initializer_list<std::string_view> roles) const {
  for (const std::string& role : layer_.roles) {
    require(std::find(roles.begin(), roles.end(), role) != roles.end(), "its inputs must be known",
            concat("'", role, "'"));
  }
}

int64_t LayerReader::integer(std::string_view key, int64_t low, int64_t high,
                             int64_t fallback) const {
  const Json* json = attr(key);
  if (json == nullptr) return fallback;
  require(json->is_integer() && json->integer() >= low && json->integer() <= high,
          concat(key, " must be an integer in [", low, ", ", high, "]"), json->describe());
  return json->integer();
}

double LayerReader::number(std::string_view key) const {
  const Json* json = attr(key);
  require(json != nullptr && json->is_number(), concat(key, " must be a number"),
          json == nullptr ? "none" : json->describe());
  return json->number();
}

bool LayerReader::flag(std::string_view key) const {
  const Json* json = attr(key);
  if (json == nullptr) return false;
  require(json->is_bool() || (json->is_integer() && (json->integer() | 1) == 1),
          concat(key, " must be true or false"), json->describe());
  return json->boolean();
}

std::string LayerReader::word(std::string_view key,
                              std::initializer_list<std::string_view> known) const {
  const Json* json = attr(key);
  std::string names;
  for (std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
  require(json != nullptr && json->is_string() &&
              std::find(known.begin(), known.end(), json->string()) != known.end(),
          concat(key, " must be one of ", names), json == nullptr ? "none" : json->describe());
  return json->string();
}

std::vector<int64_t> LayerReader::integers(std::string_view key, size_t count, int64_t low,
                                           int64_t high, int64_t fallback) const {
  const Json* json = attr(key);
  if (json == nullptr) return std::vector<int64_t>(count, fallback);
  bool good = json->is_array() && (count == 0 || json->array().size() == count);
  std::vector<int64_t> numbers;
  if (good) {
    for (const Json& item : json->array()) {
      good = good && item.is_integer() && item.integer() >= low && item.integer() <= high;
      numbers.push_back(item.integer());
    }
  }
  require(good,
          concat(key, " must be ") + (count ? concat(count, " ") : "") +
              concat("integers in [", low, ", ", high, "]"),
          json->describe());
  return numbers;
}

kernels::Window LayerReader::window(int64_t max_pad) const {
  require(attr("kernel") != nullptr, "kernel must be given", "none");
  auto kernel = integers("kernel", 2, 1, kMaxWindow, 1);
  auto strides = integers("strides", 2, 1, kMaxWindow, 1);
  auto dilations = integers("dilations", 2, 1, kMaxWindow, 1);
  auto pads = integers("pads", 4, 0, std::min(max_pad, kMaxWindow), 0);
  kernels::Window window;
  window.kernel_h = kernel[0];
  window.kernel_w = kernel[1];
  window.stride_h = strides[0];
  window.stride_w = strides[1];
  window.dilation_h = dilations[0];
  window.dilation_w = dilations[1];
  window.pad_top = pads[0];
  window.pad_left = pads[1];
  window.pad_bottom = pads[2];
  window.pad_right = pads[3];
  return window;
}

kernels::Activation LayerReader::activation() const {
  using kernels::ActivationKind;
  struct Row {
    const char* name;
    ActivationKind kind;
    float alpha, beta;  // ONNX's defaults
  };
  static constexpr Row kRows[] = {
      {"none", ActivationKind::none, 0, 0},
      {"relu", ActivationKind::relu, 0, 0},
      {"leaky_relu", ActivationKind::leaky_relu, 0.01f, 0},
      {"clip", ActivationKind::clip, 0, 0},
      {"sigmoid", ActivationKind::sigmoid, 0, 0},
      {"hard_sigmoid", ActivationKind::hard_sigmoid, 0.2f, 0.5f},
      {"hard_swish", ActivationKind::hard_swish, 0, 0},
      {"silu", ActivationKind::silu, 0, 0},
      {"tanh", ActivationKind::tanh, 0, 0},
  };
  kernels::Activation result;
  const Json* json = attr("activation");
  if (json == nullptr) return result;
  const Json* kind = json->find("kind");
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows), [kind](const Row& candidate) {
    return kind != nullptr && kind->is_string() && kind->string() == candidate.name;
  });
  require(row != std::end(kRows), "activation must be an object of a known kind",
          kind == nullptr ? json->describe() : kind->describe());
  auto read = [&](const char* key, double fallback) {
    const Json* found = json->find(key);
    if (found == nullptr || found->kind() == Json::Kind::kNull) return static_cast<float>(fallback);
    require(found->is_number() && std::abs(found->number()) <= FLT_MAX,
            concat("activation: ", key, " must be a float32 number"), found->describe());
    return static_cast<float>(found->number());
  };
  result.kind = row->kind;
  result.alpha = read("alpha", row->alpha);
  result.beta = read("beta", row->beta);
  // A clip without one of its ends is open on that side.
  result.lo = read("lo", -HUGE_VAL);
  result.hi = read("hi", HUGE_VAL);
  return result;
}

void LayerReader::limits(DType dtype, int64_t& lo, int64_t& hi) const {
  const int64_t least = dtype == DType::kU8 ? 0 : -128;
  const int64_t most = dtype == DType::kU8 ? 255 : 127;
  lo = integer("lo", least, most, least);
  hi = integer("hi", least, most, most);
  require(lo <= hi, "lo must be at most hi", concat(lo, " and ", hi));
}

const Tensor* LayerReader::find_tensor(std::string_view role) const {
  for (size_t i = 0; i < layer_.tensors.size(); ++i) {
    if (layer_.tensor_roles[i] == role) return &program_.tensors[layer_.tensors[i]];
  }
  return nullptr;
}

const Tensor& LayerReader::tensor(std::string_view role, std::initializer_list<DType> dtypes,
                                  std::initializer_list<int64_t> sizes) const {
  const Tensor* found = find_tensor(role);
  require(found != nullptr, concat("must have the tensor ", role), "none");
  require(contains(dtypes, found->dtype), concat(role, " must be ", dtype_names(dtypes)),
          dtype_name(found->dtype));
  bool same =
      std::equal(sizes.begin(), sizes.end(), found->shape.begin(), found->shape.end(),
                 [](int64_t wanted, int64_t size) { return wanted == -1 || wanted == size; });
  require(same, concat(role, " must have shape ", sizes_text(sizes)), sizes_text(found->shape));
  return *found;
}

int64_t window_positions(int64_t size, int64_t pads, int64_t kernel, int64_t stride,
                         int64_t dilation) {
  const int64_t room = size + pads - ((kernel - 1) * dilation + 1);
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace niwaki
