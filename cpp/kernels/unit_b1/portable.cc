#include "unit_b1/block.h"

namespace niwaki::kernels {
namespace {

// Bits in pairs, nibbles, bytes: a byte holds at most 8. Bytes of up to 31 words fit one byte, and
// are summed by one multiplication (conv_b1's portable kernel sums every word).
inline std::uint64_t count_bytes(std::uint64_t x) {
  x -= (x >> 1) & 0x5555555555555555U;
  x = (x & 0x3333333333333333U) + ((x >> 2) & 0x3333333333333333U);
  return (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fU;
}

constexpr int kFlush = 31;

inline void flush(std::uint64_t* bytes, std::int32_t* counts) {
  for (std::int64_t o = 0; o < kBinaryBlock; ++o) {
    const std::uint64_t pairs =
        (bytes[o] & 0x00ff00ff00ff00ffU) + ((bytes[o] >> 8) & 0x00ff00ff00ff00ffU);
    counts[o] += static_cast<std::int32_t>((pairs * 0x0001000100010001U) >> 48);
    bytes[o] = 0;
  }
}

template <class Args>
void tile(const Args& args, std::int64_t o, std::int64_t y, std::int64_t x) {
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  const std::uint64_t* start = window_start(args.input, w, y, x);
  const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
  std::uint64_t bytes[kBinaryBlock] = {};
  std::int32_t counts[kBinaryBlock] = {};
  int room = kFlush;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, weights += kBinaryBlock) {
        for (std::int64_t b = 0; b < kBinaryBlock; ++b) bytes[b] += count_bytes(a[k] & weights[b]);
        if (--room == 0) {
          flush(bytes, counts);
          room = kFlush;
        }
      }
    }
  }
  flush(bytes, counts);
  store_block(args, y * w.out_width + x, o, counts);
}

template <class Args>
void run(const Args& args) {
  clear_words(args);
  for_each_tile<1>(args, kBinaryBlock, [&](auto, auto o, auto y, auto x) { tile(args, o, y, x); });
}

}  // namespace

void unit_u1_b1_f32_portable(const UnitB1Args& args) { run(args); }
void chain_u1_b1_u1_portable(const ChainB1Args& args) { run(args); }

}  // namespace niwaki::kernels
