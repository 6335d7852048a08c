#include "winograd_f32/winograd_f32.h"

namespace niwaki::kernels {
namespace {

constexpr double kInput2[4][6] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
constexpr double kInput4[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                  {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
constexpr double kOutput2[2][6] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
constexpr double kOutput4[4][6] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

double pixel(const WinogradF32Args& args, std::int64_t c, std::int64_t y, std::int64_t x) {
  if (y < 0 || y >= args.in.height || x < 0 || x >= args.in.width) return 0;
  return args.input[c * args.in.plane + y * args.in.row + x];
}

// Output (i, j) of the tile at pixel (y, x): A^T [sum_c U (B^T d B)] A, entry by entry.
double output_of(const WinogradF32Args& args, std::int64_t o, std::int64_t y, std::int64_t x,
                 std::int64_t i, std::int64_t j) {
  const std::int64_t a = args.tile + 2;
  const auto* from = args.tile == 2 ? kInput2 : kInput4;
  const auto* to = args.tile == 2 ? kOutput2 : kOutput4;
  const std::int64_t position =
      (o / kWinogradBlock * args.in.channels) * kWinogradBlock + o % kWinogradBlock;
  const std::int64_t next =
      winograd_blocks(args.out.channels) * args.in.channels * kWinogradBlock;  // of xi
  double total = 0;
  for (std::int64_t r = 0; r < a; ++r) {
    for (std::int64_t s = 0; s < a; ++s) {
      if (to[i][r] == 0 || to[j][s] == 0) continue;
      double sum = 0;
      for (std::int64_t c = 0; c < args.in.channels; ++c) {
        double v = 0;
        for (std::int64_t k = 0; k < a; ++k) {
          for (std::int64_t l = 0; l < a; ++l) {
            if (from[r][k] == 0 || from[s][l] == 0) continue;
            v += from[r][k] * from[s][l] *
                 pixel(args, c, y - args.pad_top + k, x - args.pad_left + l);
          }
        }
        const std::int64_t at = (r * a + s) * next + position + c * kWinogradBlock;
        sum += v * static_cast<double>(args.weights[at]);
      }
      total += to[i][r] * to[j][s] * sum;
    }
  }
  return total;
}

}  // namespace

void winograd_f32_f32_f32_reference(const WinogradF32Args& args) {
  const Planes& out = args.out;
  const std::int64_t first = args.first_tile_row * args.tile;
  const std::int64_t rows = args.tile_rows * args.tile;
  for (std::int64_t o = 0; o < out.channels; ++o) {
    for (std::int64_t y = first; y < first + rows && y < out.height; ++y) {
      for (std::int64_t x = 0; x < out.row; ++x) {
        const std::int64_t p = y * out.row + x;
        float value[1] = {0};
        if (x < out.width) {
          const std::int64_t i = y % args.tile;
          const std::int64_t j = x % args.tile;
          value[0] = static_cast<float>(output_of(args, o, y - i, x - j, i, j));
          if (args.bias != nullptr) value[0] += args.bias[o];
          if (args.residual != nullptr)
            value[0] += args.residual[o * args.store.residual_plane + p];
          activate<1>(value, args.store.activation);
        }
        args.output[o * out.plane + p] = value[0];
      }
    }
  }
}

}  // namespace niwaki::kernels
