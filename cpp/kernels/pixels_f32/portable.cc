#include "pixels_f32/average.h"
#include "pixels_f32/threshold.h"
#include "pixels_f32/turn.h"

namespace niwaki::kernels {

void threshold_pixels_f32_u1_portable(const ThresholdPixelsF32Args& args) {
  threshold_pixels(args, [&](const float* x, std::int64_t c, std::int64_t count) {
    return bits_one_by_one(args, x, c, 0, count);
  });
}

void pixels_of_planes_f32_portable(const PixelsOfPlanesF32Args& args) {
  pixels_of_planes<simd::Portable>(args);
}
void planes_of_pixels_f32_portable(const PlanesOfPixelsF32Args& args) {
  planes_of_pixels<simd::Portable>(args);
}
void average_pixels_f32_portable(const AveragePixelsF32Args& args) {
  average_pixels<simd::Portable>(args);
}

}  // namespace niwaki::kernels
