#include <immintrin.h>

#include "common/tiles.h"
#include "conv_b1/conv_b1.h"
#include "conv_b1/window_ones.h"

namespace niwaki::kernels {
namespace {

// 3 pixels x 8 outputs (2 vectors of 4): 6 vectors of byte counts. A nibble's popcount comes from a
// 16-entry table (one shuffle); a word adds at most 8 to a byte, so bytes are summed up every 31
// words.
constexpr int kPixels = 3;
constexpr int kFlush = 31;

struct Half {
  __m256i bytes, sums;
};

inline __m256i popcount_bytes(__m256i x) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                         0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble));
  const __m256i high =
      _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
  return _mm256_add_epi8(low, high);
}

template <int size>
inline void flush(Half (&counts)[size][2]) {
  const __m256i zero = _mm256_setzero_si256();
  for (auto& pixel : counts) {
    for (Half& half : pixel) {
      half.sums = _mm256_add_epi64(half.sums, _mm256_sad_epu8(half.bytes, zero));
      half.bytes = zero;
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
  Half counts[size][2];
  for (auto& pixel : counts) {
    for (Half& half : pixel) {
      half = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    }
  }
  int room = kFlush;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::uint64_t* a = start + tap_step(w, i, j);
      for (std::int64_t k = 0; k < w.words; ++k, ++a, weights += kBinaryBlock) {
        const auto* v = reinterpret_cast<const __m256i*>(weights);
        const __m256i v0 = _mm256_loadu_si256(v);
        const __m256i v1 = _mm256_loadu_si256(v + 1);
        for (int p = 0; p < size; ++p) {
          const __m256i pixel = _mm256_set1_epi64x(static_cast<long long>(a[p * pixel_step]));
          Half(&half)[2] = counts[p];
          half[0].bytes =
              _mm256_add_epi8(half[0].bytes, popcount_bytes(_mm256_and_si256(pixel, v0)));
          half[1].bytes =
              _mm256_add_epi8(half[1].bytes, popcount_bytes(_mm256_and_si256(pixel, v1)));
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
    alignas(32) std::int64_t sums[kBinaryBlock];
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), counts[p][0].sums);
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 4), counts[p][1].sums);
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

void window_ones_u1_i32_x86_avx2(const WindowOnesArgs& args) {
  window_ones(args, [](std::uint64_t x) { return __builtin_popcountll(x); });
}

void conv_u1_b1_i32_x86_avx2(const ConvB1Args& args) { conv(args); }
void planes_u1_b1_f32_x86_avx2(const PlanesB1Args& args) { conv(args); }

}  // namespace niwaki::kernels
