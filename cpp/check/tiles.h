// Sparse weights cut into tiles, as random matrices of a given density.
#pragma once

#include "check/check.h"

namespace niwaki::check {

// (outputs, inputs) in tiles of (tile_rows, tile_columns), block rows first; the last ones hang
// over.
template <class W>
struct TiledWeights {
  std::int64_t outputs, inputs, tile_rows, tile_columns;
  double density;
  std::vector<W> values;                    // of all tiles, then slack
  std::vector<std::uint32_t> block_starts;  // (tiles + 1)

  std::int64_t block_rows() const { return (outputs + tile_rows - 1) / tile_rows; }
  std::int64_t across() const { return (inputs + tile_columns - 1) / tile_columns; }

  // Calls begin_tile(), then visit(row, column) for each place of the tile in its order (rows first
  // or columns first), which tells whether it is a non-zero; draws a value for each that is.
  template <class BeginTile, class Visit>
  void draw(Random& random, bool rows_first, std::int64_t slack, const BeginTile& begin_tile,
            const Visit& visit) {
    block_starts = {0};
    for (std::int64_t tile = 0; tile < block_rows() * across(); ++tile) {
      begin_tile();
      const std::int64_t most = rows_first ? tile_rows : tile_columns;
      const std::int64_t least = rows_first ? tile_columns : tile_rows;
      for (std::int64_t a = 0; a < most; ++a) {
        for (std::int64_t b = 0; b < least; ++b) {
          const std::int64_t row = rows_first ? a : b;
          const std::int64_t column = rows_first ? b : a;
          const bool inside = tile / across() * tile_rows + row < outputs &&
                              tile % across() * tile_columns + column < inputs;
          const bool kept = inside && random.chance(density);
          visit(row, column, kept);
          if (kept) values.push_back(draw_value(random));
        }
      }
      block_starts.push_back(static_cast<std::uint32_t>(values.size()));
    }
    values.resize(values.size() + static_cast<std::size_t>(slack));
    values.shrink_to_fit();
  }

  static W draw_value(Random& random) {
    if constexpr (std::is_same_v<W, float>) {
      return random.real();
    } else {
      return static_cast<W>(random.integer(-128, 127));
    }
  }
};

template <class X>
std::vector<X> draw_inputs(Random& random, std::int64_t count) {
  if constexpr (std::is_same_v<X, float>) {
    return reals(random, count);
  } else {
    return integers<X>(random, count, -128, 255);
  }
}

inline double draw_density(Random& random) {
  const double densities[] = {0, 0.02, 0.1, 0.5, 1};
  return densities[random.integer(0, 4)];
}

}  // namespace niwaki::check
