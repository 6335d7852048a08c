// The encoders of cpo_f32.h, once for all instruction sets (hence the anonymous namespace).
#pragma once

#include <array>

#include "common/simd.h"
#include "cpo_f32/cpo_f32.h"
#include "dense_conv_f32/transpose.h"

namespace niwaki::kernels {
namespace {

// What four channels add to the places of CPS, and how many words that is.
struct CpsGroup {
  std::uint16_t word[2];
  std::int32_t count;
};

constexpr std::array<CpsGroup, 16> cps_groups() {
  std::array<CpsGroup, 16> groups = {};
  for (unsigned set = 0; set < 16; ++set) {
    CpsGroup& group = groups[set];
    const int members = __builtin_popcount(set);
    if (members >= 3) {
      group = {{kCpsPrefix, static_cast<std::uint16_t>(set)}, 2};
      continue;
    }
    for (unsigned bit = 0; bit < 4; ++bit) {
      if ((set >> bit & 1U) != 0) group.word[group.count++] = static_cast<std::uint16_t>(bit);
    }
  }
  return groups;
}
inline constexpr std::array<CpsGroup, 16> kCpsGroups = cps_groups();

// Add the words of 16 channels, `set` of them non-zero, the first at `place`. Two words more than
// needed may be written.
NIWAKI_INLINE std::int32_t add_cps_words(unsigned set, std::int64_t place, std::uint16_t* to) {
  std::int32_t count = 0;
  for (int quarter = 0; quarter < 4; ++quarter, set >>= 4) {
    const CpsGroup& group = kCpsGroups[set & 15];
    const auto first = static_cast<std::uint16_t>(place + 4 * quarter);
    const bool paired = (group.word[0] & kCpsPrefix) != 0;
    to[count] = static_cast<std::uint16_t>(group.word[0] + first);
    to[count + 1] = static_cast<std::uint16_t>(group.word[1] + (paired ? 0 : first));
    count += group.count;
  }
  return count;
}

// For any instruction set: one pixel of one channel after the other, without branches on its value.
template <class S, bool kSets>
struct CpoEncoder {
  static void run(const CpoEncodeF32Args& args) {
    std::int32_t count[kCpoColumns] = {};
    std::int32_t words[kCpoColumns] = {};
    for (std::int64_t x = 0; x < args.columns; ++x) {
      args.starts[x * (args.height + 1)] = 0;
      if (kSets) args.words[x * (args.height + 1)] = 0;
    }
    for (std::int64_t i = 0; i < args.height; ++i) {
      for (std::int64_t c = 0; c < args.channels; c += kCpoChannels) {
        unsigned sets[kCpoColumns] = {};
        const std::int64_t place = i * args.block + c;
        const std::int64_t left = args.channels - c;
        for (std::int64_t k = 0; k < kCpoChannels && k < left; ++k) {
          const float* from = args.input + (c + k) * args.plane + i * args.row;
          for (std::int64_t x = 0; x < args.columns; ++x) {
            const std::int64_t at = x * args.capacity + count[x];
            args.values[at] = from[x];
            if (!kSets) args.places[at] = static_cast<std::uint16_t>(place + k);
            const unsigned found = from[x] != 0 ? 1 : 0;
            count[x] += static_cast<std::int32_t>(found);
            sets[x] |= found << k;
          }
        }
        if (kSets) {
          for (std::int64_t x = 0; x < args.columns; ++x) {
            words[x] += add_cps_words(sets[x], place, args.places + x * args.capacity + words[x]);
          }
        }
      }
      for (std::int64_t x = 0; x < args.columns; ++x) {
        args.starts[x * (args.height + 1) + i + 1] = count[x];
        if (kSets) args.words[x * (args.height + 1) + i + 1] = words[x];
      }
    }
  }
};

#if defined(__AVX512F__)
// 16 channels of 16 pixels are turned around, so that a pixel's channels are one vector to
// compress.
template <bool kSets>
struct CpoEncoder<simd::Avx512, kSets> {
  static void run(const CpoEncodeF32Args& args) {
    std::int32_t count[kCpoColumns] = {};
    std::int32_t words[kCpoColumns] = {};
    for (std::int64_t x = 0; x < args.columns; ++x) {
      args.starts[x * (args.height + 1)] = 0;
      if (kSets) args.words[x * (args.height + 1)] = 0;
    }
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (std::int64_t i = 0; i < args.height; ++i) {
      for (std::int64_t c = 0; c < args.channels; c += kCpoChannels) {
        const std::int64_t left = args.channels - c;
        const auto there = static_cast<__mmask16>(simd::first_bits(left));
        const float* from = args.input + c * args.plane + i * args.row;
        __m512 pixels[16];
        // A channel that isn't there reads the first one, and is masked.
        Transpose<simd::Avx512>::run([&](int j) { return from + (j < left ? j : 0) * args.plane; },
                                     pixels);
        const std::int64_t place = i * args.block + c;
        const __m512i places = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(place)));
        for (int x = 0; x < 16; ++x) {
          if (x >= args.columns) break;
          const __mmask16 set =
              _mm512_mask_cmp_ps_mask(there, pixels[x], _mm512_setzero_ps(), _CMP_NEQ_UQ);
          const std::int64_t first = x * args.capacity;
          _mm512_storeu_ps(args.values + first + count[x],
                           _mm512_maskz_compress_ps(set, pixels[x]));
          if (kSets) {
            words[x] += add_cps_words(set, place, args.places + first + words[x]);
          } else {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(args.places + first + count[x]),
                                _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(set, places)));
          }
          count[x] += __builtin_popcount(set);
        }
      }
      for (std::int64_t x = 0; x < args.columns; ++x) {
        args.starts[x * (args.height + 1) + i + 1] = count[x];
        if (kSets) args.words[x * (args.height + 1) + i + 1] = words[x];
      }
    }
  }
};
#endif

template <class S>
void cpo_encode(const CpoEncodeF32Args& args) {
  CpoEncoder<S, false>::run(args);
}

template <class S>
void cps_encode(const CpoEncodeF32Args& args) {
  CpoEncoder<S, true>::run(args);
}

}  // namespace
}  // namespace niwaki::kernels
