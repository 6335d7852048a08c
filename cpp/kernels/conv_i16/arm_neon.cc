#include <arm_neon.h>

#include "common/tiles.h"
#include "conv_i16/conv_i16.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kPixels = 8;  // of one vector of int16

// A vector of int16 times one int16 widens to two vectors of int32: pixels 0-3 and 4-7. Taps need
// no interleaving here, so the second of a pair is one more product.
struct Sum {
  int32x4_t low, high;
};

inline void add(Sum& sum, const std::int16_t* x, std::int16_t value) {
  const int16x8_t pixels = vld1q_s16(x);
  sum.low = vmlal_n_s16(sum.low, vget_low_s16(pixels), value);
  sum.high = vmlal_high_n_s16(sum.high, pixels, value);
}

inline void store(std::int32_t* output, const Sum& sum) {
  vst1q_s32(output, sum.low);
  vst1q_s32(output + 4, sum.high);
}

template <int kVectors>
void sparse_tile(const ConvSparseI16Args& args, std::int64_t p) {
  const std::int16_t* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    Sum acc[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    }
    const SparsePairI16* end = args.entries + args.starts[o + 1];
    for (const SparsePairI16* pair = args.entries + args.starts[o]; pair != end; ++pair) {
      for (int v = 0; v < kVectors; ++v) {
        add(acc[v], input + pair->offset[0] + v * kPixels, pair->value[0]);
        add(acc[v], input + pair->offset[1] + v * kPixels, pair->value[1]);
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      store(args.output + o * args.output_stride + p + v * kPixels, acc[v]);
    }
  }
}

template <int kVectors>
void dense_tile(const ConvDenseI16Args& args, std::int64_t p) {
  const std::int16_t* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; o += kDenseBlock) {
    const std::int16_t* weights = args.weights + o * args.pairs * 2;
    Sum acc[kDenseBlock][kVectors];
    for (int k = 0; k < kDenseBlock; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        acc[k][v] = {vdupq_n_s32(0), vdupq_n_s32(0)};
      }
    }
    for (std::int64_t t = 0; t < args.pairs; ++t, weights += 2 * kDenseBlock) {
      for (int tap = 0; tap < 2; ++tap) {
        const std::int16_t* x = input + args.offsets[2 * t + tap];
        for (int v = 0; v < kVectors; ++v) {
          for (int k = 0; k < kDenseBlock; ++k) {
            add(acc[k][v], x + v * kPixels, weights[2 * k + tap]);
          }
        }
      }
    }
    for (int k = 0; k < kDenseBlock; ++k) {
      if (o + k < args.outputs) {  // the last block may hold fewer
        for (int v = 0; v < kVectors; ++v) {
          store(args.output + (o + k) * args.output_stride + p + v * kPixels, acc[k][v]);
        }
      }
    }
  }
}

}  // namespace

void conv_sparse_i16_i8_i32_arm_neon(const ConvSparseI16Args& args) {
  for_even_tiles<12>((args.pixels + kPixels - 1) / kPixels,
                     [&](auto size, auto vector) { sparse_tile<size()>(args, vector * kPixels); });
}

void conv_dense_i16_i8_i32_arm_neon(const ConvDenseI16Args& args) {
  for_even_tiles<3>((args.pixels + kPixels - 1) / kPixels,
                    [&](auto size, auto vector) { dense_tile<size()>(args, vector * kPixels); });
}

}  // namespace niwaki::kernels
