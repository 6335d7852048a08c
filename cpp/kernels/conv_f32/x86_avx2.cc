#include <immintrin.h>

#include "common/tiles.h"
#include "conv_f32/conv_f32.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kLanes = 8;

// Of 16 registers: 12 sums and a value; 4 x 3 sums, 3 activations, a weight.
constexpr int kSparseVectors = 12;
constexpr int kDenseVectors = 3;

template <int kVectors>
void sparse_tile(const ConvSparseF32Args& args, std::int64_t p) {
  const float* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    __m256 acc[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = _mm256_setzero_ps();
    }
    const SparseEntryF32* end = args.entries + args.starts[o + 1];
    for (const SparseEntryF32* entry = args.entries + args.starts[o]; entry != end; ++entry) {
      const __m256 value = _mm256_set1_ps(entry->value);
      const float* x = input + entry->offset;
      for (int v = 0; v < kVectors; ++v) {
        acc[v] = _mm256_fmadd_ps(_mm256_loadu_ps(x + v * kLanes), value, acc[v]);
      }
    }
    float* output = args.output + o * args.output_stride + p;
    for (int v = 0; v < kVectors; ++v) {
      _mm256_storeu_ps(output + v * kLanes, acc[v]);
    }
  }
}

template <int kVectors>
void dense_tile(const ConvDenseF32Args& args, std::int64_t p) {
  const float* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; o += kDenseBlock) {
    const float* weights = args.weights + o * args.taps;
    __m256 acc[kDenseBlock][kVectors];
    for (int k = 0; k < kDenseBlock; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        acc[k][v] = _mm256_setzero_ps();
      }
    }
    for (std::int64_t t = 0; t < args.taps; ++t, weights += kDenseBlock) {
      const float* pixels = input + args.offsets[t];
      __m256 x[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        x[v] = _mm256_loadu_ps(pixels + v * kLanes);
      }
      for (int k = 0; k < kDenseBlock; ++k) {
        const __m256 value = _mm256_set1_ps(weights[k]);
        for (int v = 0; v < kVectors; ++v) {
          acc[k][v] = _mm256_fmadd_ps(x[v], value, acc[k][v]);
        }
      }
    }
    for (int k = 0; k < kDenseBlock; ++k) {
      if (o + k < args.outputs) {  // the last block may hold fewer
        float* output = args.output + (o + k) * args.output_stride + p;
        for (int v = 0; v < kVectors; ++v) {
          _mm256_storeu_ps(output + v * kLanes, acc[k][v]);
        }
      }
    }
  }
}

}  // namespace

// Pixels outermost: a tile's activations stay in the near caches for all outputs.
void conv_sparse_f32_f32_f32_x86_avx2(const ConvSparseF32Args& args) {
  for_even_tiles<kSparseVectors>((args.pixels + kLanes - 1) / kLanes, [&](auto size, auto vector) {
    sparse_tile<size()>(args, vector * kLanes);
  });
}

void conv_dense_f32_f32_f32_x86_avx2(const ConvDenseF32Args& args) {
  for_even_tiles<kDenseVectors>((args.pixels + kLanes - 1) / kLanes, [&](auto size, auto vector) {
    dense_tile<size()>(args, vector * kLanes);
  });
}

}  // namespace niwaki::kernels
