// Dense float convolution with output channels along the vectors, fused with its store.
//
//   sum[y][x][o]    = sum over taps t of weights[t][o] * input[taps[t] + y * row_step + x * step]
//   output[o][p]    = act(sum + bias[o] + residual[o][p]) at p = y * row + x, 0 in pad columns
//
// for one block of at most kDenseConvBlock output channels and `rows` whole rows of pixels.
//
// A pixel is one number, broadcast; a vector holds the weights of neighbouring output channels. So
// any stride is as fast as none (no phases, no copy), a narrow map wastes no lane, and nothing is
// packed but the weights. The sums come out with channels along the vectors and are turned around
// (transpose.h) on the way to the planes: that costs about 100 cycles for 16 x 16 of them, against
// 16 * taps of multiplying, hence little from 100 taps up.
//
// Work is cut into runs of `run` neighbouring pixels of a row; the last run of a row ends with the
// row and may overlap the one before it. Run r of row y has sums[(y * runs + r) * run] onwards.
// Taps are taken in their order, whatever the blocking: results depend on nothing else.
//
// Assumptions: 1 <= run <= min(kDenseConvMostRun, width). Weights are [taps][kDenseConvBlock], with
// anything finite behind the last output. ConvStore::pixels = rows * row, its mask begins at a row.
// Inputs and outputs don't overlap; residual and output may be the same plane.
#pragma once

#include <cstdint>

#include "common/store.h"
#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kDenseConvBlock = 32;
inline constexpr std::int64_t kDenseConvMostRun = 7;

struct DenseConvF32Args {
  const float* input;  // what taps[0] = 0 would read for pixel (0, 0)
  std::int64_t row_step, step;
  const std::int32_t* taps;
  std::int64_t tap_count;
  const float* weights;
  std::int64_t outputs;  // 1 to kDenseConvBlock
  std::int64_t rows, width, row;
  std::int64_t run;
  float* sums;    // dense_conv_slots(rows, width, run) * kDenseConvBlock floats of scratch
  float* output;  // pixel (0, 0) of the first output channel
  std::int64_t output_plane;
  const float* bias;      // of the first output channel, or nullptr
  const float* residual;  // as `output`, or nullptr
  ConvStore store;        // residual_plane, activation, mask, pixels
};

// Runs of a row, and pixels' sums that the scratch holds.
inline std::int64_t dense_conv_runs(std::int64_t width, std::int64_t run) {
  return (width + run - 1) / run;
}
inline std::int64_t dense_conv_slots(std::int64_t rows, std::int64_t width, std::int64_t run) {
  return rows * dense_conv_runs(width, run) * run;
}

// The longest run that wastes least: rows of 9 are cut in 5 + 5, not in 7 + 7.
inline std::int64_t dense_conv_run(std::int64_t width, std::int64_t most = kDenseConvMostRun) {
  const std::int64_t runs = (width + most - 1) / most;
  return (width + runs - 1) / runs;
}

NIWAKI_OP(DenseConvF32, DenseConvF32Args);

}  // namespace niwaki::kernels
