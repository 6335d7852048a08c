// The loops around a dot product; compiled once per instruction set, hence the anonymous namespace.
// Outputs outermost: a row of weights is read once for all images.
#pragma once

#include "linear/linear.h"

namespace niwaki::kernels {
namespace {

// dot(x, weights, count)
template <class Args, class Dot>
void for_dense_rows(const Args& args, const Dot& dot) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    for (std::int64_t n = 0; n < args.images; ++n) {
      args.output[n * args.output_stride + o] =
          dot(args.input + n * args.input_stride, args.weights + o * args.inputs, args.inputs);
    }
  }
}

// dot(x, columns, values, count)
template <class Args, class Dot>
void for_sparse_rows(const Args& args, const Dot& dot) {
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    const std::int32_t begin = args.starts[o];
    for (std::int64_t n = 0; n < args.images; ++n) {
      args.output[n * args.output_stride + o] =
          dot(args.input + n * args.input_stride, args.columns + begin, args.values + begin,
              args.starts[o + 1] - begin);
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
