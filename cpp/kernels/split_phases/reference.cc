#include "split_phases/split_phases.h"

namespace niwaki::kernels {
namespace {

float pixel(const SplitPhasesF32Args& args, std::int64_t c, std::int64_t y, std::int64_t x) {
  const bool inside = y >= 0 && y < args.height && x >= 0 && x < args.width;
  return inside ? args.input[c * args.input_plane + y * args.input_row + x] : 0.0F;
}

}  // namespace

void split_phases_f32_reference(const SplitPhasesF32Args& args) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t k = 0; k < args.plane_count; ++k) {
      const PhasePlane& plane = args.planes[k];
      float* output = args.output + c * args.channel + plane.offset;
      for (std::int64_t m = 1; m <= args.margin; ++m) output[-m] = 0;
      for (std::int64_t r = 0; r < plane.rows; ++r) {
        for (std::int64_t u = 0; u < args.row; ++u) {
          output[r * args.row + u] =
              pixel(args, c, plane.first_y + r * args.stride_h, plane.first_x + u * args.stride_w);
        }
      }
    }
  }
}

}  // namespace niwaki::kernels
