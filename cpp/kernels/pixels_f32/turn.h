// Planes to pixels and back, kLanes x kLanes elements at a time. Compiled once per instruction set,
// hence the anonymous namespace.
#pragma once

#include "common/simd.h"
#include "dense_conv_f32/transpose.h"
#include "pixels_f32/pixels_f32.h"

namespace niwaki::kernels {
namespace {

// Turn a block of whole lanes: output row k (of lanes `to` apart) is column k of the input's rows,
// `from` apart.
template <class S>
NIWAKI_INLINE void turn_block(const float* input, std::int64_t from, float* output,
                              std::int64_t to) {
  typename S::Vector columns[S::kLanes];
  Transpose<S>::run([&](int j) { return input + j * from; }, columns);
  NIWAKI_UNROLL for (int k = 0; k < S::kLanes; ++k) S::store(output + k * to, columns[k]);
}

// Turn `rows` rows of `columns` elements, rows first or last lanes of each one by one.
template <class S>
void turn(const float* input, std::int64_t from, std::int64_t rows, std::int64_t columns,
          float* output, std::int64_t to) {
  constexpr std::int64_t kLanes = S::kLanes;
  const std::int64_t whole_rows = rows / kLanes * kLanes;
  const std::int64_t whole_columns = columns / kLanes * kLanes;
  for (std::int64_t j = 0; j < whole_columns; j += kLanes) {
    for (std::int64_t i = 0; i < whole_rows; i += kLanes) {
      turn_block<S>(input + i * from + j, from, output + j * to + i, to);
    }
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = j < whole_columns ? whole_rows : 0; i < rows; ++i) {
      output[j * to + i] = input[i * from + j];
    }
  }
}

template <class S>
void pixels_of_planes(const PixelsOfPlanesF32Args& args) {
  const Planes& planes = args.planes;
  const bool flat = planes.row == planes.width;  // a plane is one long row
  const std::int64_t rows = flat ? 1 : planes.height;
  const std::int64_t width = flat ? planes.pixels() : planes.width;
  for (std::int64_t y = 0; y < rows; ++y) {
    turn<S>(args.input + y * planes.row, planes.plane, planes.channels, width,
            args.output + y * width * planes.channels, planes.channels);
  }
}

template <class S>
void planes_of_pixels(const PlanesOfPixelsF32Args& args) {
  const Planes& planes = args.planes;
  const bool flat = planes.row == planes.width;
  const std::int64_t rows = flat ? 1 : planes.height;
  const std::int64_t width = flat ? planes.pixels() : planes.width;
  for (std::int64_t y = 0; y < rows; ++y) {
    turn<S>(args.input + y * width * planes.channels, planes.channels, width, planes.channels,
            args.output + y * planes.row, planes.plane);
    if (flat) continue;
    for (std::int64_t c = 0; c < planes.channels; ++c) {
      float* row = args.output + c * planes.plane + y * planes.row;
      for (std::int64_t x = planes.width; x < planes.row; ++x) row[x] = 0;
    }
  }
}

}  // namespace
}  // namespace niwaki::kernels
