// Adapters of the linear layers in tiles: formats/bcsc.py and formats/bits_gemm.py encode.
#include "bcsc/bcsc.h"
#include "bindings/kernel_arguments.h"
#include "bits_gemm/bits_gemm.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr std::int64_t kMost = 1 << 16;  // of any size: products stay far from overflow

std::int64_t size_of(const Arguments& arguments, const char* key, std::int64_t least) {
  const std::int64_t size = arguments.integer(key);
  require(size >= least && size <= kMost, "sizes must lie in their range");
  return size;
}

// The grid of tiles, and the block rows to run.
struct Grid {
  explicit Grid(const Arguments& arguments)
      : rows(size_of(arguments, "tile_rows", 16)),
        columns(size_of(arguments, "tile_columns", 16)),
        outputs(size_of(arguments, "outputs", 0)),
        inputs(size_of(arguments, "inputs", 0)),
        block_starts(arguments.array<std::uint32_t>("block_starts", 1)) {
    require(rows <= 256 && columns <= 256 && rows % 16 == 0 && columns % 16 == 0,
            "a tile's sides must be whole 16s, 256 at most");
    blocks = (outputs + rows - 1) / rows;
    tiles = blocks * ((inputs + columns - 1) / columns);
    const auto& starts = block_starts.data;
    require(block_starts.size() == tiles + 1 && starts.front() == 0 &&
                std::is_sorted(starts.begin(), starts.end()),
            "block_starts must rise from 0");
  }

  // What the last block row has behind the last output.
  bool holds(std::int64_t tile, std::int64_t row, std::int64_t column) const {
    const std::int64_t across = (inputs + columns - 1) / columns;
    return tile / across * rows + row < outputs && tile % across * columns + column < inputs;
  }

  std::int64_t rows, columns, outputs, inputs, blocks = 0, tiles = 0;
  Array<std::uint32_t> block_starts;
};

template <class Op, class X, class W, class Acc>
nb::object bcsc(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Grid grid(arguments);
  const auto starts = arguments.array<std::uint16_t>("column_starts", 2);
  auto rows = arguments.array<std::uint8_t>("rows", 1);
  auto values = arguments.array<W>("values", 1);
  const auto x = arguments.array<X>("x", 2);
  require(grid.rows * grid.columns < 1 << 16, "a tile's size must fit 16 bits");
  require(starts.shape[0] == grid.tiles && starts.shape[1] == grid.columns + 1,
          "column_starts must be (tiles, tile_columns + 1)");
  require(rows.size() == values.size() && grid.block_starts.data.back() == values.size(),
          "rows and values must be as many as block_starts says");
  for (std::int64_t tile = 0; tile < grid.tiles; ++tile) {
    const std::uint16_t* row = starts.data.data() + tile * starts.shape[1];
    const std::int64_t first = grid.block_starts.data[tile];
    require(row[0] == 0 && std::is_sorted(row, row + starts.shape[1]) &&
                row[grid.columns] == grid.block_starts.data[tile + 1] - first,
            "column_starts must rise from 0 to the tile's size");
    for (std::int64_t q = 0; q < grid.columns; ++q) {
      for (std::int64_t e = row[q]; e < row[q + 1]; ++e) {
        require(rows.data[first + e] < grid.rows && grid.holds(tile, rows.data[first + e], q),
                "entries must lie in the matrix");
      }
    }
  }
  const std::int64_t images = x.shape[0];
  require(images >= 1 && images <= kBcscImages && x.shape[1] == grid.inputs,
          "x must be (1 to 4, inputs)");
  rows.data.resize(rows.data.size() + kBcscSlack);
  values.data.resize(values.data.size() + kBcscSlack);
  Output<Acc> output(images * grid.outputs);
  niwaki::run_kernel<Op>(
      entry,
      {grid.block_starts.data.data(), starts.data.data(), rows.data.data(), values.data.data(),
       grid.rows, grid.columns, grid.outputs, grid.inputs, 0, grid.blocks, x.data.data(), images,
       grid.inputs, output.data(), grid.outputs},
      run);
  return output.to_numpy({images, grid.outputs});
}

// Checked bits and values; `slack` values are readable behind the last.
template <class W>
struct Bits {
  Bits(const Grid& grid, const Arguments& arguments, bool rows_first, std::int64_t slack)
      : mask(arguments.array<std::uint64_t>("mask", 2)), values(arguments.array<W>("values", 1)) {
    require(mask.shape[0] == grid.tiles && mask.shape[1] == grid.rows * grid.columns / 64,
            "mask must be (tiles, tile_rows * tile_columns / 64)");
    require(grid.block_starts.data.back() == values.size(),
            "values must be as many as block_starts says");
    for (std::int64_t tile = 0; tile < grid.tiles; ++tile) {
      std::int64_t count = 0;
      for (std::int64_t p = 0; p < grid.rows * grid.columns; ++p) {
        if ((mask.data[tile * mask.shape[1] + p / 64] >> (p % 64) & 1U) == 0) continue;
        ++count;
        require(rows_first ? grid.holds(tile, p / grid.columns, p % grid.columns)
                           : grid.holds(tile, p % grid.rows, p / grid.rows),
                "bits must lie in the matrix");
      }
      require(grid.block_starts.data[tile + 1] - grid.block_starts.data[tile] == count,
              "a tile must have as many values as bits");
    }
    values.data.resize(values.data.size() + static_cast<std::size_t>(slack));
    tiles = {mask.data.data(),   grid.block_starts.data.data(),
             values.data.data(), grid.rows,
             grid.columns,       grid.outputs,
             grid.inputs};
  }

  Array<std::uint64_t> mask;
  Array<W> values;
  BitsTiles<W> tiles;
};

nb::object gemv(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Grid grid(arguments);
  require(grid.rows == 64, "tile_rows must be 64");
  const Bits<float> bits(grid, arguments, false, kBitsGemvSlack);
  const auto x = arguments.array<float>("x", 2);
  const std::int64_t images = x.shape[0];
  require(images >= 1 && images <= kBitsGemvImages && x.shape[1] == grid.inputs,
          "x must be (1 to 4, inputs)");
  Output<float> output(images * grid.outputs);
  niwaki::run_kernel<BitsGemvF32>(
      entry,
      {bits.tiles, 0, grid.blocks, x.data.data(), images, grid.inputs, output.data(), grid.outputs},
      run);
  return output.to_numpy({images, grid.outputs});
}

template <class Op, class X, class W, class Acc>
nb::object gemm(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Grid grid(arguments);
  require(grid.columns % 64 == 0, "tile_columns must be a multiple of 64");
  const Bits<W> bits(grid, arguments, true, 0);
  const auto x = arguments.array<X>("x", 2);
  const std::int64_t columns = x.shape[1];
  require(x.shape[0] == grid.inputs && columns % kBitsGemmColumns == 0,
          "x must be (inputs, a multiple of 16)");
  Output<Acc> output(grid.outputs * columns);
  niwaki::run_kernel<Op>(
      entry, {bits.tiles, 0, grid.blocks, x.data.data(), columns, columns, output.data(), columns},
      run);
  return output.to_numpy({grid.outputs, columns});
}

}  // namespace

void add_tiled_adapters(Adapters& adapters) {
  adapters[BcscF32::name] = bcsc<BcscF32, float, float, float>;
  adapters[BcscI16::name] = bcsc<BcscI16, std::int16_t, std::int8_t, std::int32_t>;
  adapters[BitsGemvF32::name] = gemv;
  adapters[BitsGemmF32::name] = gemm<BitsGemmF32, float, float, float>;
  adapters[BitsGemmI16::name] = gemm<BitsGemmI16, std::int16_t, std::int8_t, std::int32_t>;
}

}  // namespace niwaki
