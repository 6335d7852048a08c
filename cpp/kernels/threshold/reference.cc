#include "threshold/threshold.h"

namespace niwaki::kernels {
namespace {

template <class X, class Level>
void threshold(const ThresholdArgs<X, Level>& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  for (std::int64_t k = 0; k < args.pixels * words; ++k) {
    args.words[k] = 0;
  }
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      const Level x = static_cast<Level>(args.input[c * args.pixels + p]);
      if (static_cast<Level>(args.sign[c]) * x >= args.level[c]) {
        args.words[p * words + c / 64] |= std::uint64_t{1} << (c % 64);
      }
    }
  }
}

template <class Y>
void unpack(const UnpackBitsArgs<Y>& args) {
  const std::int64_t words = (args.channels + 63) / 64;
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t p = 0; p < args.pixels; ++p) {
      args.output[c * args.pixels + p] =
          static_cast<Y>((args.words[p * words + c / 64] >> (c % 64)) & 1);
    }
  }
}

}  // namespace

void threshold_f32_u1_reference(const ThresholdF32Args& args) { threshold(args); }
void threshold_u8_u1_reference(const ThresholdU8Args& args) { threshold(args); }
void threshold_i8_u1_reference(const ThresholdS8Args& args) { threshold(args); }
void unpack_bits_u1_f32_reference(const UnpackBitsF32Args& args) { unpack(args); }
void unpack_bits_u1_u8_reference(const UnpackBitsU8Args& args) { unpack(args); }

void threshold_planes_f32_u1_reference(const ThresholdPlanesF32Args& args) {
  const Planes& planes = args.planes;
  const std::int64_t words = (planes.channels + 63) / 64;
  for (std::int64_t y = 0; y < planes.height; ++y) {
    for (std::int64_t x = 0; x < planes.width; ++x) {
      for (std::int64_t c = 0; c < planes.channels; ++c) {
        std::uint64_t& word = args.words[(y * planes.width + x) * words + c / 64];
        if (c % 64 == 0) word = 0;
        const float value = args.input[c * planes.plane + y * planes.row + x];
        const bool passes = (args.sign[c] < 0 ? -value : value) >= args.level[c];
        word |= std::uint64_t{passes} << (c % 64);
      }
    }
  }
}

}  // namespace niwaki::kernels
