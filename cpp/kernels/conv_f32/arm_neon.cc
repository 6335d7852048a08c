#include <arm_neon.h>

#include "common/tiles.h"
#include "conv_f32/conv_f32.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kLanes = 4;

// Of 32 registers: 24 sums, a few loads in flight and a value; 4 x 5 sums, 5 activations, a weight.
constexpr int kSparseVectors = 24;
constexpr int kDenseVectors = 5;

template <int kVectors>
void sparse_tile(const ConvSparseF32Args& args, std::int64_t p) {
  const float* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    float32x4_t acc[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = vdupq_n_f32(0);
    }
    const SparseEntryF32* end = args.entries + args.starts[o + 1];
    for (const SparseEntryF32* entry = args.entries + args.starts[o]; entry != end; ++entry) {
      const float32x4_t value = vdupq_n_f32(entry->value);
      const float* x = input + entry->offset;
      for (int v = 0; v < kVectors; ++v) {
        acc[v] = vfmaq_f32(acc[v], vld1q_f32(x + v * kLanes), value);
      }
    }
    float* output = args.output + o * args.output_stride + p;
    for (int v = 0; v < kVectors; ++v) {
      vst1q_f32(output + v * kLanes, acc[v]);
    }
  }
}

template <int kVectors>
void dense_tile(const ConvDenseF32Args& args, std::int64_t p) {
  const float* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; o += kDenseBlock) {
    const float* weights = args.weights + o * args.taps;
    float32x4_t acc[kDenseBlock][kVectors];
    for (int k = 0; k < kDenseBlock; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        acc[k][v] = vdupq_n_f32(0);
      }
    }
    static_assert(kDenseBlock == 4);  // one vector of weights: a lane for each output
    for (std::int64_t t = 0; t < args.taps; ++t, weights += kDenseBlock) {
      const float* pixels = input + args.offsets[t];
      const float32x4_t values = vld1q_f32(weights);
      for (int v = 0; v < kVectors; ++v) {
        const float32x4_t x = vld1q_f32(pixels + v * kLanes);
        acc[0][v] = vfmaq_laneq_f32(acc[0][v], x, values, 0);
        acc[1][v] = vfmaq_laneq_f32(acc[1][v], x, values, 1);
        acc[2][v] = vfmaq_laneq_f32(acc[2][v], x, values, 2);
        acc[3][v] = vfmaq_laneq_f32(acc[3][v], x, values, 3);
      }
    }
    for (int k = 0; k < kDenseBlock; ++k) {
      if (o + k < args.outputs) {  // the last block may hold fewer
        float* output = args.output + (o + k) * args.output_stride + p;
        for (int v = 0; v < kVectors; ++v) {
          vst1q_f32(output + v * kLanes, acc[k][v]);
        }
      }
    }
  }
}

}  // namespace

// Pixels outermost: a tile's activations stay in the near caches for all outputs.
void conv_sparse_f32_f32_f32_arm_neon(const ConvSparseF32Args& args) {
  for_even_tiles<kSparseVectors>((args.pixels + kLanes - 1) / kLanes, [&](auto size, auto vector) {
    sparse_tile<size()>(args, vector * kLanes);
  });
}

void conv_dense_f32_f32_f32_arm_neon(const ConvDenseF32Args& args) {
  for_even_tiles<kDenseVectors>((args.pixels + kLanes - 1) / kLanes, [&](auto size, auto vector) {
    dense_tile<size()>(args, vector * kLanes);
  });
}

}  // namespace niwaki::kernels
