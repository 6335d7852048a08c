// Depthwise float convolution, fused with its store: every output channel reads one input channel.
//
//   sum[o][y][x]   = sum over (i, j) of weights[o][i][j]
//                      * input[channel(o)][y * stride_h + i * dilation_h][x * stride_w + j * ...]
//   output[o][y * row + x] = act(sum + bias[o] + residual[o][y * residual_row + x])
//   output[o][y * row + x] = 0 in the pad columns, x in [width, row)
//
// with channel(o) = o / per_input. Pixels lie along the vectors, straight from the planes: nothing
// is copied, a stride of 2 is a permutation of what was loaded. Squares of 3, 5 or 7 with one
// stride and no dilation work on several output rows at once, which share the rows they read. Sums
// begin with the bias and are taken in the order i, j, whatever the tile.
//
// Assumptions: stride_w is 1 or 2. Every tap of every pixel is readable, and kDepthwiseReach more
// elements behind it: what lies there may be anything. Inputs and outputs don't overlap.
#pragma once

#include <cstdint>

#include "common/plane_layout.h"
#include "common/store.h"
#include "common/table.h"

namespace niwaki::kernels {

// A vector's last pixel may lie that far behind the row's last, at a stride of 2.
inline constexpr std::int64_t kDepthwiseReach = 2 * 16 + 16;

struct DepthwiseF32Args {
  const float* input;  // what tap (0, 0) of pixel (0, 0) of the first output channel reads
  std::int64_t input_plane, input_row;
  Window window;         // kernel, strides, dilations
  const float* weights;  // [outputs][kernel_h * kernel_w]
  std::int64_t outputs, per_input;
  std::int64_t rows, width, row;
  float* output;  // pixel (0, 0) of the first output channel
  std::int64_t output_plane;
  const float* bias;      // (outputs), or nullptr
  const float* residual;  // as `output`, or nullptr
  std::int64_t residual_plane, residual_row;
  Activation activation;
};

NIWAKI_OP(DepthwiseF32, DepthwiseF32Args);

}  // namespace niwaki::kernels
