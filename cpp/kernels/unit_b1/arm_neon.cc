#include <arm_neon.h>

#include "unit_b1/block.h"

namespace niwaki::kernels {
namespace {

// 4 pixels x 8 outputs (4 vectors of 2): 16 vectors of byte counts beside the 4 of weights. CNT
// counts bits of bytes; a word adds at most 8 to a byte, so bytes are summed up every 31 words.
constexpr int kPixels = 4;
constexpr int kParts = 4;
constexpr int kFlush = 31;

template <int size>
NIWAKI_INLINE void flush(uint8x16_t (&bytes)[size][kParts], uint64x2_t (&sums)[size][kParts]) {
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    NIWAKI_UNROLL for (int k = 0; k < kParts; ++k) {
      sums[p][k] = vpadalq_u32(sums[p][k], vpaddlq_u16(vpaddlq_u8(bytes[p][k])));
      bytes[p][k] = vdupq_n_u8(0);
    }
  }
}

NIWAKI_INLINE std::uint32_t four_bits(uint32x4_t passes) {
  const uint32x4_t each = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(passes, each));
}

// Four outputs from o on; returns their bits.
NIWAKI_INLINE std::uint32_t store_four(const UnitB1Args& args, std::int64_t pixel, std::int64_t o,
                                       int32x4_t acc) {
  const float32x4_t product = vmulq_f32(vcvtq_f32_s32(acc), vld1q_f32(args.scale + o));
  float32x4_t y = vaddq_f32(product, vld1q_f32(args.bias + o));
  const std::int64_t place = pixel * args.outputs + o;
  if (args.residual != nullptr) y = vaddq_f32(y, vld1q_f32(args.residual + place));
  if (args.relu) y = vbslq_f32(vcltq_f32(y, vdupq_n_f32(0)), vdupq_n_f32(0), y);  // NaN stays
  if (args.output != nullptr) vst1q_f32(args.output + place, y);
  if (args.words == nullptr) return 0;
  return four_bits(vcgeq_f32(vmulq_f32(y, vld1q_f32(args.sign + o)), vld1q_f32(args.level + o)));
}

NIWAKI_INLINE std::uint32_t store_four(const ChainB1Args& args, std::int64_t, std::int64_t o,
                                       int32x4_t acc) {
  const int32x4_t signed_acc = vmulq_s32(acc, vld1q_s32(args.sign + o));
  return four_bits(vcgeq_s32(signed_acc, vld1q_s32(args.limit + o)));
}

template <int size, class Args>
void tile(const Args& shared, std::int64_t o, std::int64_t y, std::int64_t x) {
  const Args args = shared;  // a copy: stored bytes can't change it, so it stays in registers
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  const std::int64_t pixel_step = w.stride_w * w.words;
  const std::uint64_t* start = window_start(args.input, w, y, x);
  const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
  uint8x16_t bytes[size][kParts];
  uint64x2_t sums[size][kParts];
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    NIWAKI_UNROLL for (int k = 0; k < kParts; ++k) {
      bytes[p][k] = vdupq_n_u8(0);
      sums[p][k] = vdupq_n_u64(0);
    }
  }
  int room = kFlush;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, ++a, weights += kBinaryBlock) {
        NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
          const uint64x2_t pixel = vdupq_n_u64(a[p * pixel_step]);
          NIWAKI_UNROLL for (int part = 0; part < kParts; ++part) {
            const uint64x2_t both = vandq_u64(pixel, vld1q_u64(weights + 2 * part));
            bytes[p][part] = vaddq_u8(bytes[p][part], vcntq_u8(vreinterpretq_u8_u64(both)));
          }
        }
        if (--room == 0) {
          flush<size>(bytes, sums);
          room = kFlush;
        }
      }
    }
  }
  flush<size>(bytes, sums);
  const bool whole = args.outputs - o >= kBinaryBlock;
  const std::int64_t first = y * w.out_width + x;
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    const int32x4_t low = vreinterpretq_s32_u32(vmovn_high_u64(vmovn_u64(sums[p][0]), sums[p][1]));
    const int32x4_t high = vreinterpretq_s32_u32(vmovn_high_u64(vmovn_u64(sums[p][2]), sums[p][3]));
    if (whole) {
      const int32x4_t ones = vdupq_n_s32(args.ones[first + p]);
      const std::uint32_t bits =
          store_four(args, first + p, o, vsubq_s32(vaddq_s32(low, low), ones)) |
          store_four(args, first + p, o + 4, vsubq_s32(vaddq_s32(high, high), ones)) << 4;
      if (args.words != nullptr) {
        store_bits(args.words, args.outputs, first + p, o, static_cast<std::uint8_t>(bits));
      }
    } else {
      std::int32_t each[kBinaryBlock];
      vst1q_s32(each, low);
      vst1q_s32(each + 4, high);
      store_block(args, first + p, o, each);
    }
  }
}

template <class Args>
void run(const Args& args) {
  clear_words(args);
  for_each_tile<kPixels>(args, kBinaryBlock,
                         [&](auto size, auto o, auto y, auto x) { tile<size()>(args, o, y, x); });
}

}  // namespace

void unit_u1_b1_f32_arm_neon(const UnitB1Args& args) { run(args); }
void chain_u1_b1_u1_arm_neon(const ChainB1Args& args) { run(args); }

}  // namespace niwaki::kernels
