// Copy one image into the zero-padded form that the convolutions read.
//
//   PadPlanesF32        f32 (C, H, W) -> f32 scratch of common/plane_layout.h
//   PadPlanesU8, S8     u8 / s8 (C, H, W) -> int16 scratch: one integer convolution serves both
//   PadWords            u64 (H, W, words) -> u64 (top + H + bottom, left + W + right, words)
//
// The whole scratch is written, zeros included: scratch_elements of the layout, or the padded
// words. Assumptions: kNoOverlap between input and output; no alignment is needed.
#pragma once

#include <cstdint>

#include "common/plane_layout.h"
#include "common/table.h"

namespace niwaki::kernels {

template <class In, class Out>
struct PadPlanesArgs {
  const In* input;
  Out* output;
  PlaneLayout layout;
};

struct PadWordsArgs {
  const std::uint64_t* input;
  std::uint64_t* output;
  std::int64_t height, width, words;  // words per pixel
  std::int64_t pad_top, pad_left, pad_bottom, pad_right;
};

using PadPlanesF32Args = PadPlanesArgs<float, float>;
using PadPlanesU8Args = PadPlanesArgs<std::uint8_t, std::int16_t>;
using PadPlanesS8Args = PadPlanesArgs<std::int8_t, std::int16_t>;

NIWAKI_OP(PadPlanesF32, PadPlanesF32Args);
NIWAKI_OP(PadPlanesU8, PadPlanesU8Args);
NIWAKI_OP(PadPlanesS8, PadPlanesS8Args);
NIWAKI_OP(PadWords, PadWordsArgs);

}  // namespace niwaki::kernels
