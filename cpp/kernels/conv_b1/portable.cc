#include "conv_b1/conv_b1.h"
#include "conv_b1/window_ones.h"

namespace niwaki::kernels {
namespace {

// Add bits in pairs, nibbles, bytes, then all bytes by one multiplication: no instruction is
// assumed.
inline std::int32_t popcount(std::uint64_t x) {
  x -= (x >> 1) & 0x5555555555555555U;
  x = (x & 0x3333333333333333U) + ((x >> 2) & 0x3333333333333333U);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fU;
  return static_cast<std::int32_t>((x * 0x0101010101010101U) >> 56);
}

// Sum popcount(a & v) of one window for the outputs of one block.
void count_window(const BinaryWindow& w, const std::uint64_t* start, const std::uint64_t* weights,
                  std::int32_t* counts) {
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, weights += kBinaryBlock) {
        for (std::int64_t o = 0; o < kBinaryBlock; ++o) {
          counts[o] += popcount(a[k] & weights[o]);
        }
      }
    }
  }
}

template <class Args>
void conv(const Args& args) {
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  for (std::int64_t o = 0; o < args.outputs; o += kBinaryBlock) {
    const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
    for (std::int64_t y = 0; y < w.out_height; ++y) {
      for (std::int64_t x = 0; x < w.out_width; ++x) {
        std::int32_t counts[kBinaryBlock] = {};
        count_window(w, window_start(args.input, w, y, x), weights, counts);
        const std::int32_t ones = args.ones[y * w.out_width + x];
        for (std::int64_t k = 0; k < kBinaryBlock && o + k < args.outputs; ++k) {
          put_sum(args, o + k, y, x, 2 * counts[k] - ones);
        }
      }
    }
  }
}

}  // namespace

void window_ones_u1_i32_portable(const WindowOnesArgs& args) { window_ones(args, popcount); }
void conv_u1_b1_i32_portable(const ConvB1Args& args) { conv(args); }
void planes_u1_b1_f32_portable(const PlanesB1Args& args) { conv(args); }

}  // namespace niwaki::kernels
