#include "threshold/scalar.h"
#include "threshold/threshold.h"

namespace niwaki::kernels {
namespace {

template <class Y>
void unpack(const UnpackBitsArgs<Y>& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  for (std::int64_t c = 0; c < args.channels; ++c) {
    const std::uint64_t* word = args.words + c / 64;
    Y* output = args.output + c * args.pixels;
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      output[p] = static_cast<Y>((word[p * words] >> (c % 64)) & 1);
    }
  }
}

}  // namespace

void threshold_f32_u1_portable(const ThresholdF32Args& args) { threshold_pixels(args, 0); }
void threshold_u8_u1_portable(const ThresholdU8Args& args) { threshold_pixels(args, 0); }
void threshold_i8_u1_portable(const ThresholdS8Args& args) { threshold_pixels(args, 0); }
void unpack_bits_u1_f32_portable(const UnpackBitsF32Args& args) { unpack(args); }
void unpack_bits_u1_u8_portable(const UnpackBitsU8Args& args) { unpack(args); }

void threshold_planes_f32_u1_portable(const ThresholdPlanesF32Args& args) {
  const Planes& planes = args.planes;
  const std::int64_t words = (planes.channels + 63) / 64;
  for (std::int64_t y = 0; y < planes.height; ++y) {
    std::uint64_t* row = args.words + y * planes.width * words;
    for (std::int64_t c = 0; c < planes.channels; ++c) {
      const float* x = args.input + c * planes.plane + y * planes.row;
      const bool falls = args.sign[c] < 0;
      for (std::int64_t p = 0; p < planes.width; ++p) {
        std::uint64_t& word = row[p * words + c / 64];
        if (c % 64 == 0) word = 0;
        word |= std::uint64_t{(falls ? -x[p] : x[p]) >= args.level[c]} << (c % 64);
      }
    }
  }
}

}  // namespace niwaki::kernels
