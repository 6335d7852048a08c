#include "winograd_phases_f32/winograd_phases_f32.h"

namespace niwaki::kernels {
namespace {

using Square = double[kMostPhaseSide][kMostPhaseSide];

// B^T and A^T of one side.
struct Matrices {
  int side;
  Square input = {}, output = {};

  explicit Matrices(std::int64_t t) : side(static_cast<int>(t)) {
    for (int a = 0; a < side; ++a) {
      for (int k = 0; k < side; ++k) input[a][k] = toom_input(side, a, k);
      for (int k = 0; k < kPhaseTile; ++k) output[k][a] = toom_output(k, a);
    }
  }

  // left * middle * left^T: `rows` x `rows`.
  void around(const Square& left, const Square& middle, int rows, Square& result) const {
    Square half = {};
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < side; ++j) {
        for (int k = 0; k < side; ++k) half[i][j] += left[i][k] * middle[k][j];
      }
    }
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < rows; ++j) {
        result[i][j] = 0;
        for (int k = 0; k < side; ++k) result[i][j] += half[i][k] * left[j][k];
      }
    }
  }
};

// The patch of a phase channel that a tile reads.
void read_patch(const WinogradPhasesF32Args& args, std::int64_t channel, std::int64_t row,
                std::int64_t column, Square& d) {
  const std::int64_t phases = args.stride_h * args.stride_w;
  const float* plane = args.input + channel / phases * args.in.plane;
  const std::int64_t first_y = channel % phases / args.stride_w - args.pad_top;
  const std::int64_t first_x = channel % args.stride_w - args.pad_left;
  for (int i = 0; i < args.side; ++i) {
    const std::int64_t y = (row * kPhaseTile + i) * args.stride_h + first_y;
    for (int j = 0; j < args.side; ++j) {
      const std::int64_t x = (column * kPhaseTile + j) * args.stride_w + first_x;
      const bool inside = y >= 0 && y < args.in.height && x >= 0 && x < args.in.width;
      d[i][j] = inside ? static_cast<double>(plane[y * args.in.row + x]) : 0.0;
    }
  }
}

// Y = A^T [sum over c of U * (B^T d B)] A of one tile, in doubles, entry by entry.
void sum_tile(const WinogradPhasesF32Args& args, const Matrices& matrices, std::int64_t o,
              std::int64_t row, std::int64_t column, Square& y) {
  const WinogradPhases sizes =
      winograd_phases_of(args.side, args.in, args.out, args.stride_h, args.stride_w);
  const float* weights = args.weights + o * sizes.weights_of_output();
  Square products = {};
  for (std::int64_t c = 0; c < sizes.channels; ++c) {
    Square d;
    Square patch;
    read_patch(args, c, row, column, d);
    matrices.around(matrices.input, d, matrices.side, patch);
    for (int b = 0; b < args.side; ++b) {
      for (int a = 0; a < args.side; ++a) {
        const float weight = weights[sizes.at(b, c, a)];
        products[a][b] += patch[a][b] * static_cast<double>(weight);
      }
    }
  }
  matrices.around(matrices.output, products, kPhaseTile, y);
}

}  // namespace

void winograd_phases_f32_f32_f32_reference(const WinogradPhasesF32Args& args) {
  const Planes& out = args.out;
  const Matrices matrices(args.side);
  for (std::int64_t o = 0; o < out.channels; ++o) {
    for (std::int64_t row = args.first_tile_row; row < args.first_tile_row + args.tile_rows;
         ++row) {
      for (std::int64_t column = 0; column * kPhaseTile < out.row; ++column) {
        Square tile;
        sum_tile(args, matrices, o, row, column, tile);
        for (int i = 0; i < kPhaseTile && row * kPhaseTile + i < out.height; ++i) {
          for (int j = 0; j < kPhaseTile && column * kPhaseTile + j < out.row; ++j) {
            const std::int64_t x = column * kPhaseTile + j;
            const std::int64_t p = (row * kPhaseTile + i) * out.row + x;
            float value[1] = {0};
            if (x < out.width) {
              value[0] = static_cast<float>(tile[i][j]);
              if (args.bias != nullptr) value[0] += args.bias[o];
              if (args.residual != nullptr) {
                value[0] += args.residual[o * args.store.residual_plane + p];
              }
              activate<1>(value, args.store.activation);
            }
            args.output[o * out.plane + p] = value[0];
          }
        }
      }
    }
  }
}

}  // namespace niwaki::kernels
