#include <algorithm>
#include <vector>

#include "sparse_conv_f32/sparse_conv_f32.h"

namespace niwaki::kernels {
namespace {

using Sums = std::vector<double>;

template <class Args>
void start(const Args& args, std::int64_t image, std::int64_t output, Sums& sums) {
  const ConvStore& store = args.store;
  for (std::int64_t p = args.begin; p < args.end; ++p) {
    double sum = store.bias == nullptr ? 0 : store.bias[output];
    if (store.residual != nullptr) {
      sum += store.residual[image * store.residual_image + output * store.residual_plane + p];
    }
    sums[p - args.begin] = sum;
  }
}

template <class Args>
void finish(const Args& args, std::int64_t image, std::int64_t output, const Sums& sums) {
  float* to = args.output + image * args.output_image + output * args.output_plane;
  for (std::int64_t p = args.begin; p < args.end; ++p) {
    float value[1] = {static_cast<float>(sums[p - args.begin])};
    activate<1>(value, args.store.activation);
    const std::uint32_t* mask = args.store.mask;
    to[p] = mask == nullptr || (mask[p / 32] >> (p % 32) & 1U) != 0 ? value[0] : 0.0F;
  }
}

float value_of(const SparseTap& tap, std::int64_t) { return tap.value; }
float value_of(const SparseTap4& tap, std::int64_t k) { return tap.values[k]; }

// Sums of all outputs are kept in double, so segments of a unit may lie anywhere.
template <class Tap>
void run(const SparseConvArgs<Tap>& args, std::int64_t outputs_of_unit) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(args.end - args.begin, 0));
  for (std::int64_t image = 0; image < args.images; ++image) {
    std::vector<Sums> sums(static_cast<std::size_t>(args.outputs), Sums(count));
    const float* input = args.input + image * args.input_image - args.input_begin;
    const Tap* tap = args.taps;
    for (std::int64_t s = 0; s < args.segment_count; ++s) {
      const SparseSegment& segment = args.segments[s];
      const std::int64_t first = segment.unit * outputs_of_unit;
      const std::int64_t last = std::min(first + outputs_of_unit, args.outputs);
      for (std::int64_t o = first; o < last; ++o) {
        if ((segment.flags & kSegmentStarts) != 0) start(args, image, o, sums[o]);
        for (std::int32_t k = 0; k < segment.taps; ++k) {
          const double value = value_of(tap[k], o - first);
          for (std::int64_t p = args.begin; p < args.end; ++p) {
            sums[o][p - args.begin] += value * input[tap[k].offset + p];
          }
        }
        if ((segment.flags & kSegmentFinishes) != 0) finish(args, image, o, sums[o]);
      }
      tap += segment.taps;
    }
  }
}

}  // namespace

void sparse_conv_f32_f32_f32_reference(const SparseConvF32Args& args) { run(args, 1); }
void sparse_conv4_f32_f32_f32_reference(const SparseConv4F32Args& args) { run(args, 4); }

}  // namespace niwaki::kernels
