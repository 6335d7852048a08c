#include <immintrin.h>

#include "common/simd.h"
#include "common/tiles.h"
#include "conv_b1/conv_b1.h"
#include "conv_b1/window_ones.h"

namespace niwaki::kernels {
namespace {

// 8 pixels x 2 blocks of 8 outputs: 16 vectors of sums; a weight vector serves 8 pixels, and each
// pixel's word comes as a broadcast operand of the AND.
constexpr int kPixels = 8;

// Turn 8 vectors (pixels) of 8 sums (outputs) into 8 vectors (outputs) of 8 sums (pixels).
inline void transpose(const __m256i in[8], __m256i out[8]) {
  __m256i a[8];
  __m256i b[8];
  for (int k = 0; k < 4; ++k) {
    a[2 * k] = _mm256_unpacklo_epi32(in[2 * k], in[2 * k + 1]);
    a[2 * k + 1] = _mm256_unpackhi_epi32(in[2 * k], in[2 * k + 1]);
  }
  for (int k = 0; k < 2; ++k) {
    b[4 * k] = _mm256_unpacklo_epi64(a[4 * k], a[4 * k + 2]);
    b[4 * k + 1] = _mm256_unpackhi_epi64(a[4 * k], a[4 * k + 2]);
    b[4 * k + 2] = _mm256_unpacklo_epi64(a[4 * k + 1], a[4 * k + 3]);
    b[4 * k + 3] = _mm256_unpackhi_epi64(a[4 * k + 1], a[4 * k + 3]);
  }
  for (int k = 0; k < 4; ++k) {
    out[k] = _mm256_permute2x128_si256(b[k], b[k + 4], 0x20);
    out[k + 4] = _mm256_permute2x128_si256(b[k], b[k + 4], 0x31);
  }
}

// Write a row of sums of output o, from pixel (y, x) on.
NIWAKI_INLINE void put(const ConvB1Args& args, std::int64_t o, std::int64_t y, std::int64_t x,
                       __mmask8 mask, __m256i acc) {
  std::int32_t* output = args.output + o * args.output_stride + y * args.output_row_width + x;
  _mm256_mask_storeu_epi32(output, mask, acc);
}
NIWAKI_INLINE void put(const PlanesB1Args& args, std::int64_t o, std::int64_t y, std::int64_t x,
                       __mmask8 mask, __m256i acc) {
  __m256 sum = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_set1_ps(args.scale[o]));
  if (args.residual != nullptr) {
    const std::int64_t place = o * args.residual_stride + y * args.residual_row_width + x;
    sum = _mm256_add_ps(sum, _mm256_maskz_loadu_ps(mask, args.residual + place));
  }
  float* output = args.output + o * args.output_stride + y * args.output_row_width + x;
  _mm256_mask_storeu_ps(output, mask, sum);
}

// Write 2 * counts - ones for `size` pixels of up to 8 outputs.
template <int size, class Args>
inline void store(const Args& args, const __m512i counts[size], std::int64_t first, std::int64_t y,
                  std::int64_t x) {
  const std::int32_t* ones = args.ones + y * args.window.out_width + x;
  __m256i pixels[kPixels];
  for (int p = 0; p < kPixels; ++p) {
    pixels[p] = p < size ? _mm512_cvtepi64_epi32(counts[p < size ? p : 0]) : _mm256_setzero_si256();
  }
  __m256i rows[kBinaryBlock];
  transpose(pixels, rows);
  const __mmask8 mask = static_cast<__mmask8>((1 << size) - 1);
  const __m256i window_ones = _mm256_maskz_loadu_epi32(mask, ones);
  for (int o = 0; o < kBinaryBlock; ++o) {
    if (first + o < args.outputs) {
      const __m256i acc = _mm256_sub_epi32(_mm256_add_epi32(rows[o], rows[o]), window_ones);
      put(args, first + o, y, x, mask, acc);
    }
  }
}

template <int size, int kBlocks, bool ahead, class Args>
void tile(const Args& args, std::int64_t o, std::int64_t y, std::int64_t x) {
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  const std::int64_t pixel_step = w.stride_w * w.words;
  const std::uint64_t* start = window_start(args.input, w, y, x);
  const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
  __m512i counts[kBlocks][size];
  for (int b = 0; b < kBlocks; ++b) {
    for (int p = 0; p < size; ++p) {
      counts[b][p] = _mm512_setzero_si512();
    }
  }
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, ++a, weights += kBinaryBlock) {
        __m512i v[kBlocks];
        for (int b = 0; b < kBlocks; ++b) {
          v[b] = _mm512_loadu_si512(weights + b * block_words);
          if constexpr (ahead) {
            const auto* next = reinterpret_cast<const char*>(weights + (kBlocks + b) * block_words);
            _mm_prefetch(next, _MM_HINT_T0);
          }
        }
        for (int p = 0; p < size; ++p) {
          const __m512i pixel = _mm512_set1_epi64(static_cast<long long>(a[p * pixel_step]));
          for (int b = 0; b < kBlocks; ++b) {
            const __m512i both = _mm512_and_si512(pixel, v[b]);
            counts[b][p] = _mm512_add_epi64(counts[b][p], _mm512_popcnt_epi64(both));
          }
        }
      }
    }
  }
  for (int b = 0; b < kBlocks; ++b) {
    store<size>(args, counts[b], o + b * kBinaryBlock, y, x);
  }
}

template <class Args>
void conv(const Args& args) {
  const BinaryWindow& w = args.window;
  std::int64_t o = 0;
  while (o < args.outputs) {
    const bool two = args.outputs - o > kBinaryBlock;
    for (std::int64_t y = 0; y < w.out_height; ++y) {
      for_even_tiles<kPixels>(w.out_width, [&](auto size, auto x) {
        if (!two) {
          tile<size(), 1, false>(args, o, y, x);
        } else if (fetches_ahead(args.window, y)) {
          tile<size(), 2, true>(args, o, y, x);
        } else {
          tile<size(), 2, false>(args, o, y, x);
        }
      });
    }
    o += two ? 2 * kBinaryBlock : kBinaryBlock;
  }
}

}  // namespace

void conv_u1_b1_i32_x86_avx512(const ConvB1Args& args) { conv(args); }
void planes_u1_b1_f32_x86_avx512(const PlanesB1Args& args) { conv(args); }

}  // namespace niwaki::kernels
