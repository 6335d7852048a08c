// Dense 3x3 convolution, stride 1, by Winograd's short filters F(m x m, 3 x 3), fused with its
// store.
//
//   Y = A^T [ sum over c of (G g_c G^T) * (B^T d_c B) ] A        (* element by element)
//
// d is an input patch of a x a pixels, a = m + 2, Y the m x m outputs that it gives: a^2 instead of
// 9 m^2 multiplications (m = 4: a quarter; m = 2: 4 / 9). Over all tiles of a chunk and all
// channels each of the a^2 positions is a matrix product:
//
//   V[xi][tile][c] = B^T d B;   M[xi][tile][o] = sum over c of V[xi][tile][c] * U[xi][c][o]
//
// Source: A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
// arXiv:1509.09308; points 0, 1, -1 (m = 2), and 2, -2 (m = 4), and infinity.
//
// Channels lie along the vectors in all three parts; pixels come from planes and go back to them by
// turning kLanes x kLanes blocks around (dense_conv_f32/transpose.h). A chunk is some whole rows of
// tiles, so that V and M stay in the cache. Sums are taken channel by channel, whatever the chunk.
//
// Assumptions: only pixels of the image are read; its pads count as zeros. U is
// [a^2][ceil(outputs / 32)][channels][32] (winograd_filter), zeros behind the last output.
// ConvStore::pixels is not used, its mask begins at a row. Inputs and outputs don't overlap.
#pragma once

#include <cstdint>

#include "common/planes.h"
#include "common/store.h"
#include "common/table.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kWinogradBlock = 32;  // outputs of a block of weights
inline constexpr std::int64_t kWinogradGroup = 16;  // channels that lie together in V

struct WinogradF32Args {
  std::int64_t tile;  // m: 2 or 4
  const float* input;
  Planes in;
  std::int64_t pad_top, pad_left;
  const float* weights;
  float* output;  // origin
  Planes out;
  std::int64_t first_tile_row, tile_rows;  // rows of tiles: m rows of pixels each
  const float* bias;                       // or nullptr
  const float* residual;                   // origin on the output's flat axis, or nullptr
  ConvStore store;                         // residual_plane, activation, mask
  float* scratch;                          // winograd_scratch() floats
};

// Tiles of one row of tiles.
inline std::int64_t winograd_tiles(std::int64_t tile, std::int64_t width) {
  return (width + tile - 1) / tile;
}

inline std::int64_t winograd_blocks(std::int64_t outputs) {
  return (outputs + kWinogradBlock - 1) / kWinogradBlock;
}

// Floats of V, M, one strip of channels-last pixels and one strip of sums.
struct WinogradScratch {
  std::int64_t v, m, strip, sums;
  std::int64_t total() const { return v + m + strip + sums; }
};
inline WinogradScratch winograd_scratch(std::int64_t tile, const Planes& in, const Planes& out,
                                        std::int64_t tile_rows) {
  const std::int64_t a = tile + 2;
  const std::int64_t columns = winograd_tiles(tile, out.width);
  const std::int64_t tiles = columns * tile_rows;
  const std::int64_t groups = (in.channels + kWinogradGroup - 1) / kWinogradGroup;
  // The strip's columns are written by whole blocks of kLanes <= 16.
  return {a * a * groups * kWinogradGroup * tiles,
          a * a * winograd_blocks(out.channels) * kWinogradBlock * tiles,
          a * (columns * tile + 2 + 16) * kWinogradGroup, tile * columns * tile * kWinogradGroup};
}

// U = G g G^T of one 3x3 filter: a^2 numbers, `step` apart.
inline void winograd_filter(std::int64_t tile, const float* filter, float* transformed,
                            std::int64_t step) {
  constexpr double kSmall[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  constexpr double kLarge[6][3] = {{1.0 / 4, 0, 0},
                                   {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                   {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                   {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                   {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                   {0, 0, 1}};
  const double (*g)[3] = tile == 2 ? kSmall : kLarge;
  for (std::int64_t i = 0; i < tile + 2; ++i) {
    for (std::int64_t j = 0; j < tile + 2; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) {
        for (int l = 0; l < 3; ++l)
          sum += g[i][k] * g[j][l] * static_cast<double>(filter[k * 3 + l]);
      }
      transformed[(i * (tile + 2) + j) * step] = static_cast<float>(sum);
    }
  }
}

NIWAKI_OP(WinogradF32, WinogradF32Args);

}  // namespace niwaki::kernels
