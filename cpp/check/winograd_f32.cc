// WinogradF32: compact planes with pads of 1, the rows of tiles in chunks.
#include "winograd_f32/winograd_f32.h"

#include "check/check.h"

namespace niwaki::check {
namespace {

using namespace kernels;

struct WinogradProblem : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  std::int64_t tile, channels, count, height, width, chunk;
  std::vector<float> input, weights, bias, residual;

  explicit WinogradProblem(Random& random)
      : tile(random.pick({2, 4})),
        channels(random.pick({1, 3, 16, 17})),
        count(random.pick({1, 5, 16, 32, 33})),
        height(random.integer(1, 9)),
        width(random.pick({1, 3, 4, 7, 13, 21, 35})),
        chunk(random.integer(1, 4)),
        input(reals(random, channels * height * width)),
        weights(static_cast<std::size_t>((tile + 2) * (tile + 2) * step())),
        bias(reals(random, count)),
        residual(reals(random, count * height * width + kPixelBlock)) {
    for (std::int64_t o = 0; o < count; ++o) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::vector<float> filter = reals(random, 9);
        const std::int64_t at =
            (o / kWinogradBlock * channels + c) * kWinogradBlock + o % kWinogradBlock;
        winograd_filter(tile, filter.data(), &weights[static_cast<std::size_t>(at)], step());
      }
    }
  }
  std::int64_t step() const { return winograd_blocks(count) * channels * kWinogradBlock; }
  std::size_t outputs() const { return static_cast<std::size_t>(count * height * width); }
  void run(const KernelEntry& kernel, float* output) const {
    WinogradF32Args args{};
    args.tile = tile;
    args.input = input.data();
    args.in = compact_planes(channels, height, width);
    args.out = compact_planes(count, height, width);
    args.pad_top = args.pad_left = 1;
    args.weights = weights.data();
    args.output = output;
    args.bias = bias.data();
    args.residual = residual.data();
    args.store.residual_plane = height * width;
    std::vector<float> scratch(
        static_cast<std::size_t>(winograd_scratch(tile, args.in, args.out, chunk).total()));
    args.scratch = scratch.data();
    const std::int64_t all = winograd_tiles(tile, height);
    for (args.first_tile_row = 0; args.first_tile_row < all; args.first_tile_row += chunk) {
      args.tile_rows = std::min(chunk, all - args.first_tile_row);
      call<WinogradF32>(kernel, args);
    }
  }
  // The transforms have both signs, so absolute inputs don't give the size of the terms: a bias
  // does, of all |terms| of a plain sum and a factor for the transforms' own growth.
  void make_absolute() {
    std::fill(weights.begin(), weights.end(), 0.0F);
    std::fill(residual.begin(), residual.end(), 0.0F);
    std::fill(bias.begin(), bias.end(), 12.0F * static_cast<float>(9 * channels + 2));
  }
};

NIWAKI_CHECK(WinogradF32, WinogradProblem)

}  // namespace
}  // namespace niwaki::check
