#include <algorithm>

#include "bcsc/bcsc.h"

namespace niwaki::kernels {
namespace {

template <class X, class W, class Acc>
void multiply(const BcscArgs<X, W, Acc>& args) {
  const std::int64_t across = (args.inputs + args.tile_columns - 1) / args.tile_columns;
  for (std::int64_t n = 0; n < args.images; ++n) {
    for (std::int64_t i = args.first_block; i < args.last_block; ++i) {
      const std::int64_t first = i * args.tile_rows;
      Acc* output = args.output + n * args.output_stride + first;
      std::fill(output, output + std::min(args.tile_rows, args.outputs - first), Acc{0});
      for (std::int64_t k = 0; k < args.inputs; ++k) {
        const std::int64_t tile = i * across + k / args.tile_columns;
        const std::uint16_t* starts =
            args.column_starts + tile * (args.tile_columns + 1) + k % args.tile_columns;
        for (std::int64_t e = starts[0]; e < starts[1]; ++e) {
          const std::int64_t entry = args.block_starts[tile] + e;
          output[args.rows[entry]] += static_cast<Acc>(args.values[entry]) *
                                      static_cast<Acc>(args.input[n * args.input_stride + k]);
        }
      }
    }
  }
}

}  // namespace

void bcsc_f32_f32_f32_reference(const BcscF32Args& args) { multiply(args); }
void bcsc_i16_i8_i32_reference(const BcscI16Args& args) { multiply(args); }

}  // namespace niwaki::kernels
