#include "engine/ops.h"

namespace niwaki {
namespace {

constexpr OpRow kOps[] = {
    {"activation", build_activation},
    {"add", build_add},
    {"affine", build_affine},
    {"average_pool", build_average_pool},
    {"concat", build_concat},
    {"conv", build_conv},
    {"dequantize", build_dequantize},
    {"global_average_pool", build_global_average_pool},
    {"global_max_pool", build_global_max_pool},
    {"linear", build_linear},
    {"max_pool", build_max_pool},
    {"pad", build_pad},
    {"quantize_input", build_quantize_input},
    {"requantize", build_requantize},
    {"reshape", build_reshape},
    {"slice", build_slice},
    {"softmax", build_softmax},
    {"sum_pool", build_sum_pool},
    {"threshold", build_threshold},
    {"unpack_bits", build_unpack_bits},
};

}  // namespace

const OpRow* find_op(std::string_view name) {
  for (const OpRow& row : kOps) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string op_names() {
  std::string names;
  for (const OpRow& row : kOps) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

}  // namespace niwaki
