#include <algorithm>
#include <vector>

#include "sparse_conv_f32/sparse_conv_f32.h"

namespace niwaki::kernels {
namespace {

using Sums = std::vector<double>;

void start(const SparseConvF32Args& args, std::int64_t image, std::int64_t output, Sums& sums) {
  const ConvStore& store = args.store;
  for (std::int64_t p = args.begin; p < args.end; ++p) {
    double sum = store.bias == nullptr ? 0 : store.bias[output];
    if (store.residual != nullptr) {
      sum += store.residual[image * store.residual_image + output * store.residual_plane + p];
    }
    sums[p - args.begin] = sum;
  }
}

void finish(const SparseConvF32Args& args, std::int64_t image, std::int64_t output,
            const Sums& sums) {
  float* to = args.output + image * args.output_image + output * args.output_plane;
  for (std::int64_t p = args.begin; p < args.end; ++p) {
    float value[1] = {static_cast<float>(sums[p - args.begin])};
    activate<1>(value, args.store.activation);
    const std::uint32_t* mask = args.store.mask;
    to[p] = mask == nullptr || (mask[p / 32] >> (p % 32) & 1U) != 0 ? value[0] : 0.0F;
  }
}

}  // namespace

// Sums of all outputs are kept in double, so segments of an output may lie anywhere.
void sparse_conv_f32_f32_f32_reference(const SparseConvF32Args& args) {
  std::int32_t outputs = 0;
  for (std::int64_t s = 0; s < args.segment_count; ++s) {
    outputs = std::max(outputs, args.segments[s].output + 1);
  }
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(args.end - args.begin, 0));
  for (std::int64_t image = 0; image < args.images; ++image) {
    std::vector<Sums> sums(static_cast<std::size_t>(outputs), Sums(count));
    const float* input = args.input + image * args.input_image;
    const SparseTap* tap = args.taps;
    for (std::int64_t s = 0; s < args.segment_count; ++s) {
      const SparseSegment& segment = args.segments[s];
      Sums& own = sums[segment.output];
      if ((segment.flags & kSegmentStarts) != 0) start(args, image, segment.output, own);
      for (std::int32_t k = 0; k < segment.taps; ++k, ++tap) {
        for (std::int64_t p = args.begin; p < args.end; ++p) {
          own[p - args.begin] += static_cast<double>(tap->value) * input[tap->offset + p];
        }
      }
      if ((segment.flags & kSegmentFinishes) != 0) finish(args, image, segment.output, own);
    }
  }
}

}  // namespace niwaki::kernels
