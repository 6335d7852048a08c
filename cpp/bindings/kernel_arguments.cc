#include "bindings/kernel_arguments.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace niwaki {

void refuse(const std::string& must) {
  throw nb::value_error(("[run_kernel] " + must + ".").c_str());
}

nb::object Arguments::object(const char* key) const {
  if (!values_.contains(key)) {
    refuse(std::string("the argument ") + key + " must be given");
  }
  return nb::borrow(values_[key]);
}

std::int64_t Arguments::integer(const char* key) const {
  std::int64_t value = 0;
  if (!nb::try_cast(object(key), value)) {
    refuse(std::string(key) + " must be an integer");
  }
  return value;
}

double Arguments::number(const char* key) const {
  double value = 0;
  if (!nb::try_cast(object(key), value)) {
    refuse(std::string(key) + " must be a number");
  }
  return value;
}

kernels::Window Arguments::window() const {
  const auto integers = [&](const char* key, std::size_t count, std::int64_t least) {
    std::vector<std::int64_t> values;
    if (!nb::try_cast(object(key), values) || values.size() != count ||
        *std::min_element(values.begin(), values.end()) < least) {
      refuse(std::string(key) + " must be " + std::to_string(count) + " integers, each at least " +
             std::to_string(least));
    }
    return values;
  };
  kernels::Window window;
  const auto kernel = integers("kernel", 2, 1);
  const auto strides = integers("strides", 2, 1);
  const auto pads = integers("pads", 4, 0);
  window.kernel_h = kernel[0];
  window.kernel_w = kernel[1];
  window.stride_h = strides[0];
  window.stride_w = strides[1];
  window.pad_top = pads[0];
  window.pad_left = pads[1];
  window.pad_bottom = pads[2];
  window.pad_right = pads[3];
  if (has("dilations")) {
    const auto dilations = integers("dilations", 2, 1);
    window.dilation_h = dilations[0];
    window.dilation_w = dilations[1];
  }
  return window;
}

}  // namespace niwaki
