#include <arm_neon.h>

#include "threshold/scalar.h"
#include "threshold/threshold.h"

namespace niwaki::kernels {
namespace {

constexpr std::int64_t kPixels = 8;

// All ones where a pixel passes, for 8 pixels.
struct Mask {
  uint32x4_t low, high;
};

inline Mask passes(const float* x, std::int8_t sign, float level) {
  // sign * x >= level, as x >= level or x <= -level: both comparisons are false for NaN.
  const float32x4_t low = vld1q_f32(x);
  const float32x4_t high = vld1q_f32(x + 4);
  if (sign < 0) {
    const float32x4_t bound = vdupq_n_f32(-level);
    return {vcleq_f32(low, bound), vcleq_f32(high, bound)};
  }
  const float32x4_t bound = vdupq_n_f32(level);
  return {vcgeq_f32(low, bound), vcgeq_f32(high, bound)};
}

inline Mask passes_wide(int16x8_t x, std::int8_t sign, std::int32_t level) {
  const int16x8_t value = sign < 0 ? vnegq_s16(x) : x;  // 8-bit pixels: no overflow
  const int32x4_t bound = vdupq_n_s32(level);
  return {vcgeq_s32(vmovl_s16(vget_low_s16(value)), bound),
          vcgeq_s32(vmovl_high_s16(value), bound)};
}

inline Mask passes(const std::uint8_t* x, std::int8_t sign, std::int32_t level) {
  return passes_wide(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(x))), sign, level);
}

inline Mask passes(const std::int8_t* x, std::int8_t sign, std::int32_t level) {
  return passes_wide(vmovl_s8(vld1_s8(x)), sign, level);
}

// Write one 32-bit half word for each of 8 pixels, from channels [begin, end), at most 32.
template <class X, class Level>
inline void half_words(const ThresholdArgs<X, Level>& args, std::int64_t p, std::int64_t begin,
                       std::int64_t end, std::uint32_t (&halves)[kPixels]) {
  uint32x4_t low = vdupq_n_u32(0);
  uint32x4_t high = vdupq_n_u32(0);
  for (std::int64_t c = begin; c < end; ++c) {
    const uint32x4_t bit = vdupq_n_u32(1U << (c - begin));
    const Mask mask = passes(args.input + c * args.pixels + p, args.sign[c], args.level[c]);
    low = vorrq_u32(low, vandq_u32(mask.low, bit));
    high = vorrq_u32(high, vandq_u32(mask.high, bit));
  }
  vst1q_u32(halves, low);
  vst1q_u32(halves + 4, high);
}

template <class X, class Level>
void threshold(const ThresholdArgs<X, Level>& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  const std::int64_t whole = args.pixels / kPixels * kPixels;
  for (std::int64_t p = 0; p < whole; p += kPixels) {
    for (std::int64_t w = 0; w < words; ++w) {
      const std::int64_t end = args.channels < 64 * w + 64 ? args.channels : 64 * w + 64;
      const std::int64_t middle = end < 64 * w + 32 ? end : 64 * w + 32;
      std::uint32_t low[kPixels];
      std::uint32_t high[kPixels];
      half_words(args, p, 64 * w, middle, low);
      half_words(args, p, middle, end, high);
      for (std::int64_t k = 0; k < kPixels; ++k) {
        args.words[(p + k) * words + w] = low[k] | std::uint64_t{high[k]} << 32;
      }
    }
  }
  threshold_pixels(args, whole);
}

}  // namespace

void threshold_f32_u1_arm_neon(const ThresholdF32Args& args) { threshold(args); }
void threshold_u8_u1_arm_neon(const ThresholdU8Args& args) { threshold(args); }
void threshold_i8_u1_arm_neon(const ThresholdS8Args& args) { threshold(args); }

}  // namespace niwaki::kernels
