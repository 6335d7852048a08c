// Dense convolution of few channels, any stride, by Winograd's short filters on phases.
//
// With strides (sh, sw) the rows and columns that a tap reads are sh and sw apart: split into sh *
// sw phases, the input is a stride-1 problem of sh * sw as many channels and filters of r =
// max(ceil(kh / sh), ceil(kw / sw)) taps a side. That one is done by F(4 x 4, r x r) (points.h): a
// 7x7 window of stride 2 over 3 channels takes 12 * 49 / 16 = 37 multiplications an output instead
// of 147.
//
//   V[a][b][c] = B^T d_c B over a patch of t x t pixels of phase channel c, t = r + 3
//   Y = A^T [sum over c of U[o][a][b][c] * V[a][b][c]] A
//
// Tiles lie along the vectors, kLanes neighbours of a row in one: every transform is arithmetic on
// whole vectors, weights are numbers that are broadcast, and turning back to planes is an
// interleaving of four columns. A column of t products' sums is transformed in its registers, and
// the 4 x t numbers an output has of a vector of tiles stay in L1 until they are stored: sums never
// go through memory. Tiles are packed in fours (16 pixels), as many as fit a vector from one row of
// tiles or from the next ones.
//
// Source: A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
// arXiv:1509.09308, for the transforms. Phases: [ours].
//
// Sums are taken channel by channel, whatever the chunk. An infinity or NaN in the input reaches
// every output of its patches. Only pixels of the image are read; its pads count as zeros.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/plane_layout.h"
#include "common/planes.h"
#include "common/store.h"
#include "common/table.h"
#include "winograd_phases_f32/points.h"

namespace niwaki::kernels {

inline constexpr std::int64_t kPhaseQuad = 4;  // tiles that lie together in a row
inline constexpr std::int64_t kPhaseMostLanes = 16;
inline constexpr std::int64_t kPhaseOutputs = 16;  // whose sums are in L1 at a time

struct WinogradPhasesF32Args {
  std::int64_t side;  // t, in [kLeastPhaseSide, kMostPhaseSide]
  const float* input;
  Planes in;
  std::int64_t stride_h, stride_w, pad_top, pad_left;
  // U: winograd_phases_filter.
  const float* weights;
  float* output;  // origin
  Planes out;
  std::int64_t first_tile_row, tile_rows;  // rows of tiles: 4 rows of pixels each
  const float* bias;                       // or nullptr
  const float* residual;                   // origin on the output's flat axis, or nullptr
  ConvStore store;  // residual_plane, activation; width and row make the mask
  float* scratch;   // winograd_phases_scratch() floats, 64-byte aligned
};

// Points of a column that are multiplied at a time: with all 8, registers would be left for few
// outputs only.
constexpr int winograd_phases_part(int side) { return side == 8 ? 4 : side; }

// Sizes that follow from a problem.
struct WinogradPhases {
  std::int64_t side, stride_h, stride_w;
  std::int64_t channels;  // phases of all: (c * stride_h + y phase) * stride_w + x phase
  std::int64_t quads;     // of a row of tiles

  std::int64_t tiles() const { return quads * kPhaseQuad; }
  std::int64_t residues() const { return kPhaseTile * stride_w; }
  // Columns of one residue: one tile more than there is, whole vectors, and one to shift by.
  std::int64_t columns() const {
    return (tiles() + 1 + kPhaseMostLanes - 1) / kPhaseMostLanes * kPhaseMostLanes +
           kPhaseMostLanes;
  }
  std::int64_t rows(std::int64_t tile_rows) const {
    return stride_h * (kPhaseTile * (tile_rows - 1) + side);
  }
  std::int64_t weights_of_output() const { return side * side * channels; }
  // Where V and U have point (a, b) of a phase channel: [b][part of a][channel][a within its part].
  std::int64_t at(std::int64_t b, std::int64_t channel, std::int64_t a) const {
    const std::int64_t part = winograd_phases_part(static_cast<int>(side));
    return (b * side + a / part * part) * channels + channel * part + a % part;
  }
  // Floats of V, of one channel's split rows, of its rows transformed downwards, and of sums.
  std::int64_t v(std::int64_t tile_rows) const {
    const std::int64_t tiles_up =
        (tile_rows * tiles() + kPhaseMostLanes - 1) / kPhaseMostLanes * kPhaseMostLanes;
    return side * side * channels * tiles_up;
  }
  std::int64_t split(std::int64_t tile_rows) const {
    return rows(tile_rows) * residues() * columns();
  }
  std::int64_t down() const { return side * residues() * columns(); }
  std::int64_t sums() const { return kPhaseOutputs * kPhaseTile * side * kPhaseMostLanes; }
  std::int64_t scratch(std::int64_t tile_rows) const {
    return v(tile_rows) + split(tile_rows) + down() + sums();
  }
};

// t of a window.
inline std::int64_t winograd_phases_side(const Window& w) {
  return std::max((w.kernel_h + w.stride_h - 1) / w.stride_h,
                  (w.kernel_w + w.stride_w - 1) / w.stride_w) +
         kPhaseTile - 1;
}

// Rows of tiles of an image.
inline std::int64_t winograd_phases_rows(const Planes& out) {
  return (out.height + kPhaseTile - 1) / kPhaseTile;
}

inline WinogradPhases winograd_phases_of(std::int64_t side, const Planes& in, const Planes& out,
                                         std::int64_t stride_h, std::int64_t stride_w) {
  constexpr std::int64_t kQuadPixels = kPhaseQuad * kPhaseTile;
  return {side, stride_h, stride_w, in.channels * stride_h * stride_w,
          (out.width + kQuadPixels - 1) / kQuadPixels};
}

// U of one output, weights_of_output() numbers, from its filters (channels, kernel_h, kernel_w).
inline void winograd_phases_filter(const WinogradPhases& sizes, std::int64_t channels,
                                   std::int64_t kernel_h, std::int64_t kernel_w,
                                   const float* filters, float* transformed) {
  const std::int64_t phases = sizes.stride_h * sizes.stride_w;
  const auto side = static_cast<int>(sizes.side);
  double g[kMostPhaseSide][kMostPhaseSide];
  for (int a = 0; a < side; ++a) {
    for (int k = 0; k <= side - kPhaseTile; ++k) g[a][k] = toom_filter(side, a, k);
  }
  for (std::int64_t c = 0; c < channels * phases; ++c) {
    const float* filter = filters + c / phases * kernel_h * kernel_w;
    const std::int64_t y = c % phases / sizes.stride_w;
    const std::int64_t x = c % sizes.stride_w;
    double down[kMostPhaseSide][kMostPhaseSide] = {};  // G g: [a][tap column]
    for (int a = 0; a < side; ++a) {
      for (std::int64_t i = 0; y + i * sizes.stride_h < kernel_h; ++i) {
        for (std::int64_t j = 0; x + j * sizes.stride_w < kernel_w; ++j) {
          const float tap = filter[(y + i * sizes.stride_h) * kernel_w + x + j * sizes.stride_w];
          down[a][j] += g[a][i] * static_cast<double>(tap);
        }
      }
    }
    for (int b = 0; b < side; ++b) {
      for (int a = 0; a < side; ++a) {
        double sum = 0;
        for (int j = 0; j <= side - kPhaseTile; ++j) sum += g[b][j] * down[a][j];
        transformed[sizes.at(b, c, a)] = static_cast<float>(sum);
      }
    }
  }
}

NIWAKI_OP(WinogradPhasesF32, WinogradPhasesF32Args);

}  // namespace niwaki::kernels
