#include <arm_neon.h>

#include "common/tiles.h"
#include "conv_b1/conv_b1.h"
#include "conv_b1/window_ones.h"

namespace niwaki::kernels {
namespace {

// 3 pixels x 8 outputs (4 vectors of 2): 12 vectors of byte counts beside the 4 of weights. CNT
// counts bits of bytes; a word adds at most 8 to a byte, so bytes are summed up every 31 words.
constexpr int kPixels = 3;
constexpr int kParts = 4;
constexpr int kFlush = 31;

struct Part {
  uint8x16_t bytes;
  uint64x2_t sums;
};

template <int size>
inline void flush(Part (&counts)[size][kParts]) {
  for (auto& pixel : counts) {
    for (Part& part : pixel) {
      part.sums = vpadalq_u32(part.sums, vpaddlq_u16(vpaddlq_u8(part.bytes)));
      part.bytes = vdupq_n_u8(0);
    }
  }
}

template <int size, class Args>
void tile(const Args& args, std::int64_t o, std::int64_t y, std::int64_t x) {
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  const std::int64_t pixel_step = w.stride_w * w.words;
  const std::uint64_t* start = window_start(args.input, w, y, x);
  const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
  Part counts[size][kParts];
  for (auto& pixel : counts) {
    for (Part& part : pixel) {
      part = {vdupq_n_u8(0), vdupq_n_u64(0)};
    }
  }
  int room = kFlush;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, ++a, weights += kBinaryBlock) {
        for (int p = 0; p < size; ++p) {
          const uint64x2_t pixel = vdupq_n_u64(a[p * pixel_step]);
          for (int part = 0; part < kParts; ++part) {
            const uint64x2_t both = vandq_u64(pixel, vld1q_u64(weights + 2 * part));
            uint8x16_t& bytes = counts[p][part].bytes;
            bytes = vaddq_u8(bytes, vcntq_u8(vreinterpretq_u8_u64(both)));
          }
        }
        if (--room == 0) {
          flush<size>(counts);
          room = kFlush;
        }
      }
    }
  }
  flush<size>(counts);
  for (int p = 0; p < size; ++p) {
    std::uint64_t sums[kBinaryBlock];
    for (int part = 0; part < kParts; ++part) {
      vst1q_u64(sums + 2 * part, counts[p][part].sums);
    }
    const std::int32_t ones = args.ones[y * w.out_width + x + p];
    for (std::int64_t k = 0; k < kBinaryBlock && o + k < args.outputs; ++k) {
      put_sum(args, o + k, y, x + p, 2 * static_cast<std::int32_t>(sums[k]) - ones);
    }
  }
}

template <class Args>
void conv(const Args& args) {
  for (std::int64_t o = 0; o < args.outputs; o += kBinaryBlock) {
    for (std::int64_t y = 0; y < args.window.out_height; ++y) {
      for_even_tiles<kPixels>(args.window.out_width,
                              [&](auto size, auto x) { tile<size()>(args, o, y, x); });
    }
  }
}

}  // namespace

void window_ones_u1_i32_arm_neon(const WindowOnesArgs& args) {
  window_ones(args, [](std::uint64_t x) {
    return static_cast<std::int32_t>(vaddv_u8(vcnt_u8(vcreate_u8(x))));
  });
}

void conv_u1_b1_i32_arm_neon(const ConvB1Args& args) { conv(args); }
void planes_u1_b1_f32_arm_neon(const PlanesB1Args& args) { conv(args); }

}  // namespace niwaki::kernels
