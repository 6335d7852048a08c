#include "engine/ops.h"

namespace niwaki {
namespace {

constexpr OpRow kOps[] = {
    {"activation", build_activation, wish_elementwise},
    {"add", build_add, wish_elementwise},
    {"affine", build_affine, wish_elementwise},
    {"average_pool", build_average_pool, wish_pool},
    {"binary", build_binary},
    {"concat", build_concat, wish_concat},
    {"conv", build_conv, wish_conv},
    {"conv_transpose", build_conv_transpose},
    {"dequantize", build_dequantize},
    {"expand", build_expand},
    {"gather", build_gather},
    {"global_average_pool", build_global_average_pool, wish_pool},
    {"global_max_pool", build_global_max_pool, wish_pool},
    {"linear", build_linear},
    {"matmul", build_matmul},
    {"max_pool", build_max_pool, wish_pool},
    {"mul", build_mul, wish_elementwise},
    {"pad", build_pad},
    {"quantize_input", build_quantize_input},
    {"quantize_linear", build_quantize_linear},
    {"reduce", build_reduce},
    {"requantize", build_requantize},
    {"reshape", build_reshape},
    {"slice", build_slice},
    {"softmax", build_softmax},
    {"strided_slice", build_strided_slice},
    {"sum_pool", build_sum_pool},
    {"taps", build_taps},
    {"tensor_pad", build_tensor_pad},
    {"threshold", build_threshold, wish_threshold},
    {"transpose", build_transpose},
    {"unary", build_unary},
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
