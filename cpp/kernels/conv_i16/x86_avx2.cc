#include <immintrin.h>

#include <cstring>

#include "common/tiles.h"
#include "conv_i16/conv_i16.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kPixels = 16;  // of one vector of int16

// Two vectors of sums for 16 pixels. Interleaving two taps works within 128-bit lanes: `low` holds
// pixels 0-3 of each lane's eight, `high` 4-7. All sums stay in this order until the store.
struct Sum {
  __m256i low, high;
};

// Two vectors of activations, interleaved: what two neighbouring taps of the same pixels multiply.
struct Taps {
  __m256i low, high;
};

inline __m256i load(const std::int16_t* x) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
}

inline Taps interleave(const std::int16_t* x0, const std::int16_t* x1) {
  const __m256i a = load(x0);
  const __m256i b = load(x1);
  return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
}

inline __m256i broadcast(const std::int16_t* pair) {
  std::int32_t both;
  std::memcpy(&both, pair, sizeof both);
  return _mm256_set1_epi32(both);
}

// acc + x[even] * value[even] + x[odd] * value[odd] in each int32 lane.
inline __m256i dot(__m256i acc, __m256i x, __m256i value) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x, value));
}

inline void store(std::int32_t* output, const Sum& sum) {
  auto* vectors = reinterpret_cast<__m256i*>(output);
  _mm256_storeu_si256(vectors, _mm256_permute2x128_si256(sum.low, sum.high, 0x20));
  _mm256_storeu_si256(vectors + 1, _mm256_permute2x128_si256(sum.low, sum.high, 0x31));
}

template <int kVectors>
void sparse_tile(const ConvSparseI16Args& args, std::int64_t p) {
  const std::int16_t* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    Sum acc[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    }
    const SparsePairI16* end = args.entries + args.starts[o + 1];
    for (const SparsePairI16* pair = args.entries + args.starts[o]; pair != end; ++pair) {
      const __m256i value = broadcast(pair->value);
      const std::int16_t* x0 = input + pair->offset[0];
      const std::int16_t* x1 = input + pair->offset[1];
      for (int v = 0; v < kVectors; ++v) {
        const Taps x = interleave(x0 + v * kPixels, x1 + v * kPixels);
        acc[v].low = dot(acc[v].low, x.low, value);
        acc[v].high = dot(acc[v].high, x.high, value);
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
        acc[k][v] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
      }
    }
    for (std::int64_t t = 0; t < args.pairs; ++t, weights += 2 * kDenseBlock) {
      const std::int16_t* x0 = input + args.offsets[2 * t];
      const std::int16_t* x1 = input + args.offsets[2 * t + 1];
      __m256i values[kDenseBlock];
      for (int k = 0; k < kDenseBlock; ++k) {
        values[k] = broadcast(weights + 2 * k);
      }
      for (int v = 0; v < kVectors; ++v) {
        const Taps x = interleave(x0 + v * kPixels, x1 + v * kPixels);
        for (int k = 0; k < kDenseBlock; ++k) {
          acc[k][v].low = dot(acc[k][v].low, x.low, values[k]);
          acc[k][v].high = dot(acc[k][v].high, x.high, values[k]);
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

void conv_sparse_i16_i8_i32_x86_avx2(const ConvSparseI16Args& args) {
  for_even_tiles<5>((args.pixels + kPixels - 1) / kPixels,
                    [&](auto size, auto vector) { sparse_tile<size()>(args, vector * kPixels); });
}

void conv_dense_i16_i8_i32_x86_avx2(const ConvDenseI16Args& args) {
  for_even_tiles<1>((args.pixels + kPixels - 1) / kPixels,
                    [&](auto size, auto vector) { dense_tile<size()>(args, vector * kPixels); });
}

}  // namespace niwaki::kernels
