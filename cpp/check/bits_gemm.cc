// BitsGemvF32, BitsGemmF32 and BitsGemmI16: sparse linear layers marked by bits.
#include "bits_gemm/bits_gemm.h"

#include "check/check.h"
#include "check/tiles.h"

namespace niwaki::check {
namespace {

using namespace kernels;

template <class W>
struct BitsProblem : Problem {
  TiledWeights<W> weights;
  std::vector<std::uint64_t> mask;
  std::int64_t first_block, last_block;

  BitsProblem(Random& random, std::int64_t tile_rows, std::int64_t tile_columns, bool rows_first)
      : weights{std::max<std::int64_t>(random.awkward(), 1),
                std::max<std::int64_t>(random.awkward(), 1),
                tile_rows,
                tile_columns,
                draw_density(random),
                {},
                {}},
        first_block(random.integer(0, weights.block_rows() - 1)),
        last_block(random.integer(first_block, weights.block_rows())) {
    std::size_t place = 0;
    weights.draw(
        random, rows_first, kBitsGemvSlack, [] {},
        [&](std::int64_t, std::int64_t, bool kept) {
          if (place % 64 == 0) mask.push_back(0);
          mask.back() |= std::uint64_t{kept} << (place % 64);
          ++place;
        });
    mask.shrink_to_fit();
  }
  BitsTiles<W> tiles() const {
    return {mask.data(),       weights.block_starts.data(), weights.values.data(),
            weights.tile_rows, weights.tile_columns,        weights.outputs,
            weights.inputs};
  }
};

struct GemvProblem : BitsProblem<float> {
  using Output = float;
  static constexpr bool kExact = false;
  std::int64_t images, stride, output_stride;
  std::vector<float> input;

  explicit GemvProblem(Random& random)
      : BitsProblem(random, 64, random.pick({16, 64, 256}), false),
        images(random.integer(1, kBitsGemvImages)),
        stride(weights.inputs + random.pick({0, 3})),
        output_stride(weights.outputs + random.pick({0, 3})),
        input(reals(random, images * stride)) {
    for (float& x : input) {
      if (random.chance(0.5)) x = 0;
    }
  }
  std::size_t outputs() const { return static_cast<std::size_t>(images * output_stride); }
  void run(const KernelEntry& kernel, float* output) const {
    call<BitsGemvF32>(kernel, {tiles(), first_block, last_block, input.data(), images, stride,
                               output, output_stride});
  }
  void make_absolute() {
    take_absolute(weights.values);
    take_absolute(input);
  }
};

template <class Op, class X, class W, class Acc>
struct GemmProblem : BitsProblem<W> {
  using Output = Acc;
  static constexpr bool kExact = !std::is_same_v<Acc, float>;
  std::int64_t columns, stride, output_stride;
  std::vector<X> input;

  explicit GemmProblem(Random& random)
      : BitsProblem<W>(random, random.pick({1, 4, 16, 64}), random.pick({64, 128}), true),
        columns(kBitsGemmColumns * random.integer(1, 9)),
        stride(columns + random.pick({0, 16})),
        output_stride(columns + random.pick({0, 16})),
        input(draw_inputs<X>(random, this->weights.inputs * stride)) {}
  std::size_t outputs() const {
    return static_cast<std::size_t>(this->weights.outputs * output_stride);
  }
  void run(const KernelEntry& kernel, Acc* output) const {
    call<Op>(kernel, {this->tiles(), this->first_block, this->last_block, input.data(), columns,
                      stride, output, output_stride});
  }
  void make_absolute() {
    take_absolute(this->weights.values);
    take_absolute(input);
  }
};

using F32 = GemmProblem<BitsGemmF32, float, float, float>;
using I16 = GemmProblem<BitsGemmI16, std::int16_t, std::int8_t, std::int32_t>;

NIWAKI_CHECK(BitsGemvF32, GemvProblem)
NIWAKI_CHECK(BitsGemmF32, F32)
NIWAKI_CHECK(BitsGemmI16, I16)

}  // namespace
}  // namespace niwaki::check
