// BcscF32 and BcscI16: sparse linear layers in block compressed sparse columns.
#include "bcsc/bcsc.h"

#include "check/check.h"
#include "check/tiles.h"

namespace niwaki::check {
namespace {

using namespace kernels;

template <class Op, class X, class W, class Acc>
struct BcscProblem : Problem {
  using Output = Acc;
  static constexpr bool kExact = !std::is_same_v<Acc, float>;
  TiledWeights<W> weights;
  std::vector<std::uint16_t> column_starts;
  std::vector<std::uint8_t> rows;
  std::int64_t images, stride, output_stride, first_block, last_block;
  std::vector<X> input;

  explicit BcscProblem(Random& random)
      : weights{std::max<std::int64_t>(random.awkward(), 1),
                std::max<std::int64_t>(random.awkward(), 1),
                random.pick({16, 64, 256}),
                random.pick({16, 32, 64}),
                draw_density(random),
                {},
                {}},
        images(random.integer(1, kBcscImages)),
        stride(weights.inputs + random.pick({0, 3})),
        output_stride(weights.outputs + random.pick({0, 3})),
        first_block(random.integer(0, weights.block_rows() - 1)),
        last_block(random.integer(first_block, weights.block_rows())),
        input(draw_inputs<X>(random, images * stride)) {
    std::uint16_t count = 0;
    weights.draw(
        random, false, kBcscSlack, [&] { count = 0; },
        [&](std::int64_t row, std::int64_t column, bool kept) {
          if (row == 0) column_starts.push_back(count);
          if (kept) {
            rows.push_back(static_cast<std::uint8_t>(row));
            ++count;
          }
          const bool last = row + 1 == weights.tile_rows && column + 1 == weights.tile_columns;
          if (last) column_starts.push_back(count);
        });
    rows.resize(rows.size() + kBcscSlack);
    rows.shrink_to_fit();
    for (X& x : input) {  // columns that are zero in every image are skipped
      if (random.chance(0.5)) x = 0;
    }
  }
  std::size_t outputs() const { return static_cast<std::size_t>(images * output_stride); }
  void run(const KernelEntry& kernel, Acc* output) const {
    call<Op>(kernel,
             {weights.block_starts.data(), column_starts.data(), rows.data(), weights.values.data(),
              weights.tile_rows, weights.tile_columns, weights.outputs, weights.inputs, first_block,
              last_block, input.data(), images, stride, output, output_stride});
  }
  void make_absolute() {
    take_absolute(weights.values);
    take_absolute(input);
  }
};

using F32 = BcscProblem<BcscF32, float, float, float>;
using I16 = BcscProblem<BcscI16, std::int16_t, std::int8_t, std::int32_t>;

NIWAKI_CHECK(BcscF32, F32)
NIWAKI_CHECK(BcscI16, I16)

}  // namespace
}  // namespace niwaki::check
