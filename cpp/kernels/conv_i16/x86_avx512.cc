#include <immintrin.h>

#include <cstring>

#include "common/tiles.h"
#include "conv_i16/conv_i16.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kPixels = 32;  // of one vector of int16

// Two vectors of sums for 32 pixels. Interleaving two taps works within 128-bit lanes: `low` holds
// pixels 0-3 of each lane's eight, `high` 4-7. All sums stay in this order until the store.
struct Sum {
  __m512i low, high;
};

// Two vectors of activations, interleaved: what two neighbouring taps of the same pixels multiply.
struct Taps {
  __m512i low, high;
};

inline __m512i load(const std::int16_t* x) { return _mm512_loadu_si512(x); }

inline Taps interleave(const std::int16_t* x0, const std::int16_t* x1) {
  const __m512i a = load(x0);
  const __m512i b = load(x1);
  return {_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)};
}

inline __m512i broadcast(const std::int16_t* pair) {
  std::int32_t both;
  std::memcpy(&both, pair, sizeof both);
  return _mm512_set1_epi32(both);
}

// acc + x[even] * value[even] + x[odd] * value[odd] in each int32 lane.
inline __m512i dot(__m512i acc, __m512i x, __m512i value) {
  return _mm512_dpwssd_epi32(acc, x, value);
}

inline void store(std::int32_t* output, const Sum& sum) {
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second =
      _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  _mm512_storeu_si512(output, _mm512_permutex2var_epi32(sum.low, first, sum.high));
  _mm512_storeu_si512(output + 16, _mm512_permutex2var_epi32(sum.low, second, sum.high));
}

template <int kVectors>
void sparse_tile(const ConvSparseI16Args& args, std::int64_t p) {
  const std::int16_t* input = args.input + p;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    Sum acc[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    }
    const SparsePairI16* end = args.entries + args.starts[o + 1];
    for (const SparsePairI16* pair = args.entries + args.starts[o]; pair != end; ++pair) {
      const __m512i value = broadcast(pair->value);
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
        acc[k][v] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
      }
    }
    for (std::int64_t t = 0; t < args.pairs; ++t, weights += 2 * kDenseBlock) {
      const std::int16_t* x0 = input + args.offsets[2 * t];
      const std::int16_t* x1 = input + args.offsets[2 * t + 1];
      __m512i values[kDenseBlock];
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

void conv_sparse_i16_i8_i32_x86_avx512(const ConvSparseI16Args& args) {
  for_even_tiles<7>((args.pixels + kPixels - 1) / kPixels,
                    [&](auto size, auto vector) { sparse_tile<size()>(args, vector * kPixels); });
}

void conv_dense_i16_i8_i32_x86_avx512(const ConvDenseI16Args& args) {
  for_even_tiles<3>((args.pixels + kPixels - 1) / kPixels,
                    [&](auto size, auto vector) { dense_tile<size()>(args, vector * kPixels); });
}

}  // namespace niwaki::kernels
