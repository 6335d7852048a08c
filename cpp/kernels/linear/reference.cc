#include "linear/linear.h"

namespace niwaki::kernels {
namespace {

template <class X, class W, class Acc>
void dense(const LinearDenseArgs<X, W, Acc>& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    for (std::int64_t o = 0; o < args.outputs; ++o) {
      Acc sum = 0;
      for (std::int64_t k = 0; k < args.inputs; ++k) {
        sum += static_cast<Acc>(args.weights[o * args.inputs + k]) *
               static_cast<Acc>(args.input[n * args.input_stride + k]);
      }
      args.output[n * args.output_stride + o] = sum;
    }
  }
}

template <class X, class W, class Acc>
void sparse(const LinearSparseArgs<X, W, Acc>& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    for (std::int64_t o = 0; o < args.outputs; ++o) {
      Acc sum = 0;
      for (std::int32_t e = args.starts[o]; e < args.starts[o + 1]; ++e) {
        sum += static_cast<Acc>(args.values[e]) *
               static_cast<Acc>(args.input[n * args.input_stride + args.columns[e]]);
      }
      args.output[n * args.output_stride + o] = sum;
    }
  }
}

}  // namespace

void linear_dense_f32_f32_f32_reference(const LinearDenseF32Args& args) { dense(args); }
void linear_dense_i16_i8_i32_reference(const LinearDenseI16Args& args) { dense(args); }
void linear_sparse_f32_f32_f32_reference(const LinearSparseF32Args& args) { sparse(args); }
void linear_sparse_i16_i8_i32_reference(const LinearSparseI16Args& args) { sparse(args); }

}  // namespace niwaki::kernels
