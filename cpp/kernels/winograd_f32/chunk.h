// One chunk of tiles through Winograd's three parts. Compiled once per instruction set, hence the
// anonymous namespace.
#pragma once

#include <algorithm>

#include "dense_conv_f32/store_rows.h"
#include "dense_conv_f32/tile.h"
#include "winograd_f32/transforms.h"
#include "winograd_f32/winograd_f32.h"

namespace niwaki::kernels {
namespace {

inline constexpr int kMostTileRun = 7;

template <class S, int kTile>
class WinogradChunk {
 public:
  explicit WinogradChunk(const WinogradF32Args& args)
      : args_(args),
        columns_(winograd_tiles(kTile, args.out.width)),
        tiles_(columns_ * args.tile_rows),
        blocks_(winograd_blocks(args.out.channels)) {
    const WinogradScratch sizes = winograd_scratch(kTile, args.in, args.out, args.tile_rows);
    v_ = args.scratch;
    m_ = v_ + sizes.v;
    strip_ = m_ + sizes.m;
    sums_ = strip_ + sizes.strip;
  }

  void run() {
    for (std::int64_t c = 0; c < args_.in.channels; c += S::kLanes) {
      for (std::int64_t row = 0; row < args_.tile_rows; ++row) {
        fill_strip(c, row);
        transform_strip(c, row);
      }
    }
    multiply();
    for (std::int64_t o = 0; o < args_.out.channels; o += S::kLanes) {
      for (std::int64_t row = 0; row < args_.tile_rows; ++row) finish(o, row);
    }
  }

 private:
  using Vector = typename S::Vector;
  static constexpr int kSide = kTile + 2;
  static constexpr std::int64_t kLanes = S::kLanes;

  std::int64_t strip_columns() const { return columns_ * kTile + 2; }
  std::int64_t strip_stride() const { return (strip_columns() + 16) * kLanes; }

  // V[xi][group][tile][kWinogradGroup], at a channel.
  float* v(std::int64_t xi, std::int64_t c) const {
    const std::int64_t groups = (args_.in.channels + kWinogradGroup - 1) / kWinogradGroup;
    return v_ + (xi * groups + c / kWinogradGroup) * tiles_ * kWinogradGroup + c % kWinogradGroup;
  }

  // M[xi][block][tile][kWinogradBlock], at an output.
  float* m(std::int64_t xi, std::int64_t o) const {
    return m_ + (xi * blocks_ + o / kWinogradBlock) * tiles_ * kWinogradBlock + o % kWinogradBlock;
  }

  // The pixels that a row of tiles reads, kLanes channels from c on, channels last; all that is not
  // of the image is 0.
  void fill_strip(std::int64_t c, std::int64_t row) {
    const Planes& in = args_.in;
    const std::int64_t count = std::min<std::int64_t>(kLanes, in.channels - c);
    const std::int64_t top = (args_.first_tile_row + row) * kTile - args_.pad_top;
    for (int i = 0; i < kSide; ++i) {
      float* strip = strip_ + i * strip_stride();
      const std::int64_t y = top + i;
      if (y < 0 || y >= in.height) {
        std::fill(strip, strip + strip_columns() * kLanes, 0.0F);
        continue;
      }
      const float* image = args_.input + c * in.plane + y * in.row;
      for (std::int64_t k = 0; k < strip_columns(); k += kLanes) {
        const std::int64_t x = k - args_.pad_left;
        const bool inside = x >= 0 && x + kLanes <= in.width && count == kLanes;
        Vector turned[kLanes];
        if (inside) {
          Transpose<S>::run([&](int j) { return image + j * in.plane + x; }, turned);
        } else {
          float block[kLanes][kLanes];
          const simd::Bits bits =
              simd::first_bits(in.width - x) & ~simd::first_bits(std::min<std::int64_t>(-x, 31));
          for (int j = 0; j < kLanes; ++j) {
            const bool there = j < count;
            S::store(block[j], there ? S::load_masked(image + j * in.plane + x, bits) : S::zero());
          }
          Transpose<S>::run([&](int j) { return block[j]; }, turned);
        }
        for (int j = 0; j < kLanes; ++j) S::store(strip + (k + j) * kLanes, turned[j]);
      }
    }
  }

  // Down the columns in place (tiles side by side share two of them), then along the rows into V.
  void transform_strip(std::int64_t c, std::int64_t row) {
    for (std::int64_t x = 0; x < strip_columns(); ++x) {
      float* column = strip_ + x * kLanes;
      Vector d[kSide];
      Vector t[kSide];
      for (int i = 0; i < kSide; ++i) d[i] = S::load(column + i * strip_stride());
      transform_input<S, kTile>(d, t);
      for (int i = 0; i < kSide; ++i) S::store(column + i * strip_stride(), t[i]);
    }
    for (int i = 0; i < kSide; ++i) {
      const float* strip = strip_ + i * strip_stride();
      float* to = v(i * kSide, c) + row * columns_ * kWinogradGroup;
      const std::int64_t next = v(1, c) - v(0, c);
      for (std::int64_t tile = 0; tile < columns_; ++tile) {
        Vector d[kSide];
        Vector t[kSide];
        for (int j = 0; j < kSide; ++j) d[j] = S::load(strip + (tile * kTile + j) * kLanes);
        transform_input<S, kTile>(d, t);
        for (int j = 0; j < kSide; ++j) S::store(to + j * next + tile * kWinogradGroup, t[j]);
      }
    }
  }

  void multiply() {
    for (std::int64_t xi = 0; xi < kSide * kSide; ++xi) {
      for (std::int64_t o = 0; o < args_.out.channels; o += kWinogradBlock) {
        const std::int64_t outputs = std::min(kWinogradBlock, args_.out.channels - o);
        const float* weights = args_.weights + (xi * blocks_ + o / kWinogradBlock) *
                                                   args_.in.channels * kWinogradBlock;
        with_constant<kMostTileRun>(run_length(), [&](auto run) {
          for (std::int64_t at = 0; at < outputs; at += 2 * kLanes) {
            if (outputs - at > kLanes) {
              multiply_vectors<run(), 2>(v(xi, 0), weights + at, m(xi, o + at));
            } else {
              multiply_vectors<run(), 1>(v(xi, 0), weights + at, m(xi, o + at));
            }
          }
        });
      }
    }
  }

  // The longest run that computes the fewest tiles twice.
  std::int64_t run_length() const {
    std::int64_t best = 1;
    const auto cost = [&](std::int64_t run) { return (tiles_ + run - 1) / run * run; };
    for (std::int64_t run = 2; run <= std::min<std::int64_t>(kMostTileRun, tiles_); ++run) {
      // Below 4 a tile has too few sums to hide the latency of one.
      if (cost(run) <= cost(best) || run <= 4) best = run;
    }
    return best;
  }

  template <int kRun, int kVectors>
  void multiply_vectors(const float* from, const float* weights, float* to) {
    constexpr int kRuns = S::kRegisters >= 32 ? 2 : 1;
    const auto run_at = [&](std::int64_t index) {
      const std::int64_t tile = std::min(index * kRun, tiles_ - kRun);
      return TileRun{from + tile * kWinogradGroup, to + tile * kWinogradBlock};
    };
    const std::int64_t runs = (tiles_ + kRun - 1) / kRun;
    std::int64_t index = 0;
    if constexpr (kRuns == 2) {
      for (; index + 2 <= runs; index += 2) {
        multiply_runs<2, kRun, kVectors>({run_at(index), run_at(index + 1)}, weights);
      }
    }
    for (; index < runs; ++index) multiply_runs<1, kRun, kVectors>({run_at(index)}, weights);
  }

  // Group by group: within one, channel c of a tile is kWinogradGroup * tile + c behind its start.
  template <int kRuns, int kRun, int kVectors>
  void multiply_runs(const TileRun (&runs)[kRuns], const float* weights) {
    run_groups<S, kRuns, kRun, kVectors, kWinogradGroup>(
        runs, args_.in.channels, tiles_ * kWinogradGroup, weights, kWinogradBlock, kWinogradBlock);
  }

  void finish(std::int64_t o, std::int64_t row) {
    const std::int64_t width = columns_ * kTile;
    const std::int64_t next = m(1, 0) - m(0, 0);
    const float* from = m(0, o) + row * columns_ * kWinogradBlock;
    for (std::int64_t tile = 0; tile < columns_; ++tile, from += kWinogradBlock) {
      Vector half[kTile][kSide];
      NIWAKI_UNROLL for (int j = 0; j < kSide; ++j) {
        Vector column[kSide];
        Vector y[kTile];
        NIWAKI_UNROLL for (int i = 0; i < kSide; ++i) {
          column[i] = S::load(from + (i * kSide + j) * next);
        }
        transform_output<S, kTile>(column, y);
        NIWAKI_UNROLL for (int i = 0; i < kTile; ++i) half[i][j] = y[i];
      }
      NIWAKI_UNROLL for (int i = 0; i < kTile; ++i) {
        Vector y[kTile];
        transform_output<S, kTile>(half[i], y);
        NIWAKI_UNROLL for (int j = 0; j < kTile; ++j) {
          S::store(sums_ + (i * width + tile * kTile + j) * kLanes, y[j]);
        }
      }
    }
    const Planes& out = args_.out;
    const std::int64_t first = (args_.first_tile_row + row) * kTile;
    const std::int64_t rows = std::min<std::int64_t>(kTile, out.height - first);
    SumRows sums = {sums_, width, kLanes, width, 0, out.width, out.row, rows};
    StoreTarget target = {args_.store, args_.output + o * out.plane + first * out.row, out.plane,
                          args_.bias == nullptr ? nullptr : args_.bias + o,
                          args_.residual == nullptr
                              ? nullptr
                              : args_.residual + o * args_.store.residual_plane + first * out.row};
    target.store.pixels = rows * out.row;
    store_rows<S>(sums, target, std::min<std::int64_t>(kLanes, out.channels - o));
  }

  const WinogradF32Args& args_;
  std::int64_t columns_;  // tiles of a row of tiles
  std::int64_t tiles_;    // of the chunk
  std::int64_t blocks_;
  float* v_;
  float* m_;
  float* strip_;
  float* sums_;
};

template <class S>
void winograd(const WinogradF32Args& args) {
  if (args.tile == 2) {
    WinogradChunk<S, 2>(args).run();
  } else {
    WinogradChunk<S, 4>(args).run();
  }
}

}  // namespace
}  // namespace niwaki::kernels
