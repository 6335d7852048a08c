// Float maps channels last: element (pixel p, channel c) lies at data[p * channels + c]. Networks
// of bits keep their shortcuts in this form, since bits are packed over channels.
//
//   PixelsOfPlanesF32:    planes (planes.h) -> pixels
//   PlanesOfPixelsF32:    pixels -> planes; pad columns become 0, pad rows are left alone
//   ThresholdPixelsF32:   bit(p, c) = sign[c] * x[p][c] >= level[c]     (NaN gives 0)
//   AveragePixelsF32:     sum over the window's pixels inside the image, in the order of rows,
//   times
//                         1 / count; count = pixels inside the image, or with count_include_pad
//                         inside image and pads
//
// Words as threshold.h has them. Assumptions: every window touches the image, dilations are 1. Sums
// have one order and their products are rounded alone: all instruction sets give the same bits.
#pragma once

#include <cstdint>

#include "common/planes.h"
#include "common/table.h"

namespace niwaki::kernels {

struct PixelsOfPlanesF32Args {
  const float* input;  // origin
  Planes planes;
  float* output;
};

struct PlanesOfPixelsF32Args {
  const float* input;
  Planes planes;
  float* output;  // origin
};

struct ThresholdPixelsF32Args {
  const float* input;
  std::int64_t channels;
  std::int64_t pixels;
  const std::int8_t* sign;  // -1 or +1
  const float* level;
  std::uint64_t* words;
};

struct AveragePixelsF32Args {
  const float* input;
  std::int64_t channels, height, width;
  Window window;
  std::int64_t out_height, out_width;
  bool count_include_pad;
  float* output;
};

NIWAKI_OP(PixelsOfPlanesF32, PixelsOfPlanesF32Args);
NIWAKI_OP(PlanesOfPixelsF32, PlanesOfPixelsF32Args);
NIWAKI_OP(ThresholdPixelsF32, ThresholdPixelsF32Args);
NIWAKI_OP(AveragePixelsF32, AveragePixelsF32Args);

}  // namespace niwaki::kernels
