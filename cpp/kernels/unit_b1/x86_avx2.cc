#include <immintrin.h>

#include "unit_b1/block.h"

namespace niwaki::kernels {
namespace {

// 4 pixels x 8 outputs (2 vectors of 4): 8 vectors of byte counts. A nibble's popcount comes from a
// 16-entry table (one shuffle); a word adds at most 8 to a byte, so bytes are summed up every 31
// words, into memory: registers are for the counts.
constexpr int kPixels = 3;
constexpr int kFlush = 31;

NIWAKI_INLINE __m256i popcount_bytes(__m256i x) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                         0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble));
  const __m256i high =
      _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
  return _mm256_add_epi8(low, high);
}

NIWAKI_INLINE void store(const UnitB1Args& args, std::int64_t pixel, std::int64_t o, __m256i acc) {
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(args.scale + o));
  __m256 y = _mm256_add_ps(product, _mm256_loadu_ps(args.bias + o));
  const std::int64_t place = pixel * args.outputs + o;
  if (args.residual != nullptr) y = _mm256_add_ps(y, _mm256_loadu_ps(args.residual + place));
  if (args.relu) y = _mm256_max_ps(_mm256_setzero_ps(), y);  // NaN stays
  if (args.output != nullptr) _mm256_storeu_ps(args.output + place, y);
  if (args.words != nullptr) {
    const __m256 signed_y = _mm256_mul_ps(y, _mm256_loadu_ps(args.sign + o));
    const __m256 passes = _mm256_cmp_ps(signed_y, _mm256_loadu_ps(args.level + o), _CMP_GE_OQ);
    store_bits(args.words, args.outputs, pixel, o,
               static_cast<std::uint8_t>(_mm256_movemask_ps(passes)));
  }
}

NIWAKI_INLINE void store(const ChainB1Args& args, std::int64_t pixel, std::int64_t o, __m256i acc) {
  const auto* sign = reinterpret_cast<const __m256i*>(args.sign + o);
  const auto* limit = reinterpret_cast<const __m256i*>(args.limit + o);
  const __m256i signed_acc = _mm256_sign_epi32(acc, _mm256_loadu_si256(sign));
  const __m256i fails = _mm256_cmpgt_epi32(_mm256_loadu_si256(limit), signed_acc);
  const int mask = ~_mm256_movemask_ps(_mm256_castsi256_ps(fails));
  store_bits(args.words, args.outputs, pixel, o, static_cast<std::uint8_t>(mask));
}

template <int size>
NIWAKI_INLINE void flush(__m256i (&bytes)[size][2], __m256i (&sums)[size][2]) {
  const __m256i zero = _mm256_setzero_si256();
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    NIWAKI_UNROLL for (int h = 0; h < 2; ++h) {
      sums[p][h] = _mm256_add_epi64(sums[p][h], _mm256_sad_epu8(bytes[p][h], zero));
      bytes[p][h] = zero;
    }
  }
}

template <int size, class Args>
void tile(const Args& shared, std::int64_t o, std::int64_t y, std::int64_t x) {
  const Args args = shared;  // a copy: stored bytes can't change it, so it stays in registers
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  const std::int64_t pixel_step = w.stride_w * w.words;
  const std::uint64_t* start = window_start(args.input, w, y, x);
  const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words;
  __m256i bytes[size][2];
  __m256i sums[size][2];
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    bytes[p][0] = bytes[p][1] = sums[p][0] = sums[p][1] = _mm256_setzero_si256();
  }
  int room = kFlush;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, ++a, weights += kBinaryBlock) {
        const auto* v = reinterpret_cast<const __m256i*>(weights);
        const __m256i v0 = _mm256_loadu_si256(v);
        const __m256i v1 = _mm256_loadu_si256(v + 1);
        NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
          const __m256i pixel = _mm256_set1_epi64x(static_cast<long long>(a[p * pixel_step]));
          bytes[p][0] = _mm256_add_epi8(bytes[p][0], popcount_bytes(_mm256_and_si256(pixel, v0)));
          bytes[p][1] = _mm256_add_epi8(bytes[p][1], popcount_bytes(_mm256_and_si256(pixel, v1)));
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
  const __m256i low = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  const std::int64_t first = y * w.out_width + x;
  NIWAKI_UNROLL for (int p = 0; p < size; ++p) {
    // The low halves of the 64-bit sums.
    const __m256i counts = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(sums[p][0], low),
                                              _mm256_permutevar8x32_epi32(sums[p][1], low), 0xf0);
    if (whole) {
      const __m256i ones = _mm256_set1_epi32(args.ones[first + p]);
      store(args, first + p, o, _mm256_sub_epi32(_mm256_add_epi32(counts, counts), ones));
    } else {
      alignas(32) std::int32_t each[kBinaryBlock];
      _mm256_store_si256(reinterpret_cast<__m256i*>(each), counts);
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

void unit_u1_b1_f32_x86_avx2(const UnitB1Args& args) { run(args); }
void chain_u1_b1_u1_x86_avx2(const ChainB1Args& args) { run(args); }

}  // namespace niwaki::kernels
