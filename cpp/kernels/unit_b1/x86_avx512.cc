#include <immintrin.h>

#include "unit_b1/tiles.h"

namespace niwaki::kernels {
namespace {

// 8 pixels x 2 blocks of 8 outputs, as conv_b1's kernel; then a pixel's 16 sums are one vector.
constexpr int kPixels = 8;
constexpr std::int64_t kStep = 2 * kBinaryBlock;

NIWAKI_INLINE void store(const UnitB1Args& args, std::int64_t pixel, std::int64_t o, __mmask16 live,
                         __m512i acc) {
  const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(args.scale + o));
  __m512 y = _mm512_add_ps(product, _mm512_loadu_ps(args.bias + o));
  const std::int64_t place = pixel * args.outputs + o;
  if (args.residual != nullptr) {
    y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(live, args.residual + place));
  }
  if (args.relu) y = _mm512_max_ps(_mm512_setzero_ps(), y);  // NaN stays
  if (args.output != nullptr) _mm512_mask_storeu_ps(args.output + place, live, y);
  if (args.words != nullptr) {
    const __m512 signed_y = _mm512_mul_ps(y, _mm512_loadu_ps(args.sign + o));
    const __mmask16 bits =
        _mm512_mask_cmp_ps_mask(live, signed_y, _mm512_loadu_ps(args.level + o), _CMP_GE_OQ);
    store_bits(args.words, args.outputs, pixel, o, static_cast<std::uint16_t>(bits));
  }
}

NIWAKI_INLINE void store(const ChainB1Args& args, std::int64_t pixel, std::int64_t o,
                         __mmask16 live, __m512i acc) {
  const __m512i signed_acc = _mm512_mullo_epi32(acc, _mm512_loadu_si512(args.sign + o));
  const __mmask16 bits =
      _mm512_mask_cmpge_epi32_mask(live, signed_acc, _mm512_loadu_si512(args.limit + o));
  store_bits(args.words, args.outputs, pixel, o, static_cast<std::uint16_t>(bits));
}

template <int size, int kBlocks, bool ahead, class Args>
void tile(const Args& shared, std::int64_t o, std::int64_t y, std::int64_t x) {
  const Args args = shared;  // a copy: stored bytes can't change it, so it stays in registers
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  const std::int64_t pixel_step = w.stride_w * w.words;
  const std::uint64_t* start = window_start(args.input, w, y, x);
  const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
  __m512i counts[2][size];
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    counts[0][p] = _mm512_setzero_si512();
    counts[1][p] = _mm512_setzero_si512();
  }
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, ++a, weights += kBinaryBlock) {
        __m512i v[kBlocks];
        NIWAKI_UNROLL for (int b = 0; b < kBlocks; ++b) {
          v[b] = _mm512_loadu_si512(weights + b * block_words);
          if constexpr (ahead) {
            const auto* next = reinterpret_cast<const char*>(weights + (kBlocks + b) * block_words);
            _mm_prefetch(next, _MM_HINT_T0);
          }
        }
        NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
          const __m512i pixel = _mm512_set1_epi64(static_cast<long long>(a[p * pixel_step]));
          NIWAKI_UNROLL for (int b = 0; b < kBlocks; ++b) {
            const __m512i both = _mm512_and_si512(pixel, v[b]);
            counts[b][p] = _mm512_add_epi64(counts[b][p], _mm512_popcnt_epi64(both));
          }
        }
      }
    }
  }
  const std::int64_t left = args.outputs - o;
  const __mmask16 live = static_cast<__mmask16>(left >= kStep ? 0xffff : (1 << left) - 1);
  const std::int64_t first = y * w.out_width + x;
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    const __m512i both =
        _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(counts[0][p])),
                           _mm512_cvtepi64_epi32(counts[1][p]), 1);
    const __m512i acc =
        _mm512_sub_epi32(_mm512_add_epi32(both, both), _mm512_set1_epi32(args.ones[first + p]));
    store(args, first + p, o, live, acc);
  }
}

template <class Args>
void run(const Args& args) {
  clear_words(args);
  for_each_tile<kPixels>(args, kStep, [&](auto size, auto o, auto y, auto x) {
    if (args.outputs - o <= kBinaryBlock) {
      tile<size(), 1, false>(args, o, y, x);
    } else if (fetches_ahead(args.window, y)) {
      tile<size(), 2, true>(args, o, y, x);
    } else {
      tile<size(), 2, false>(args, o, y, x);
    }
  });
}

}  // namespace

void unit_u1_b1_f32_x86_avx512(const UnitB1Args& args) { run(args); }
void chain_u1_b1_u1_x86_avx512(const ChainB1Args& args) { run(args); }

}  // namespace niwaki::kernels
