// Adapters of the sparse convolutions on padded planes, and of what splits their input.
#include <nanobind/stl/string.h>

#include "bindings/kernel_arguments.h"
#include "sparse_conv_f32/sparse_conv_f32.h"
#include "split_phases/split_phases.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr std::int64_t kVector = 16;  // the longest read behind the last pixel

Activation activation_of(const Arguments& arguments) {
  const auto kind = arguments.integer("activation");  // in the order of ActivationKind
  require(kind >= 0 && kind <= static_cast<std::int64_t>(ActivationKind::tanh),
          "activation must be a number of ActivationKind");
  return {static_cast<ActivationKind>(kind), static_cast<float>(arguments.number("alpha")),
          static_cast<float>(arguments.number("beta")), static_cast<float>(arguments.number("lo")),
          static_cast<float>(arguments.number("hi"))};
}

// Segments (S, 3) of unit, taps and flags: each unit starts once and finishes once.
std::vector<SparseSegment> segments_of(const Arguments& arguments, std::int64_t units,
                                       std::int64_t taps) {
  const auto array = arguments.array<std::int32_t>("segments", 2);
  require(array.shape[1] == 3, "segments must be (S, 3)");
  std::vector<SparseSegment> segments;
  std::vector<int> state(static_cast<std::size_t>(units), 0);  // the flags that have been met
  for (std::size_t s = 0; s < array.data.size(); s += 3) {
    const SparseSegment segment{array.data[s], array.data[s + 1], array.data[s + 2]};
    require(segment.unit >= 0 && segment.unit < units && segment.taps >= 0 && segment.flags >= 0 &&
                segment.flags <= 3,
            "a segment must be of an output, with taps and flags");
    int& met = state[static_cast<std::size_t>(segment.unit)];
    const bool starts = (segment.flags & kSegmentStarts) != 0;
    require(starts == (met == 0) && (met & kSegmentFinishes) == 0,
            "an output's first segment must start it, and its last one finish it");
    met |= segment.flags;
    taps -= segment.taps;
    segments.push_back(segment);
  }
  require(taps == 0, "segments must hold all taps");
  require(std::all_of(state.begin(), state.end(), [](int met) { return met == 3; }),
          "every output must start and finish");
  return segments;
}

template <class Op, class Tap, class MakeTap>
nb::object sparse_conv(const KernelEntry& entry, const Arguments& arguments, const Run& run,
                       std::int64_t units, std::int64_t tap_count, const MakeTap& make_tap) {
  const auto input = arguments.array<float>("input", 2);  // (images, elements)
  const auto offsets = arguments.array<std::int32_t>("offsets", 1);
  const std::int64_t outputs = arguments.integer("outputs");
  const std::int64_t begin = arguments.integer("begin");
  const std::int64_t end = arguments.integer("end");
  const std::int64_t images = input.shape[0];
  require(tap_count == offsets.size(), "values must be as many as offsets");
  require(begin >= 0 && end >= begin && outputs >= 0, "begin, end and outputs must be sizes");
  std::vector<Tap> taps;
  for (std::size_t e = 0; e < offsets.data.size(); ++e) {
    require(offsets.data[e] >= 0 && offsets.data[e] + end + kVector <= input.shape[1],
            "offsets must leave room for the pixels and a vector");
    taps.push_back(make_tap(e, offsets.data[e]));
  }
  const auto segments = segments_of(arguments, units, offsets.size());
  typename Op::Args args{};
  Array<float> bias;
  Array<float> residual;
  Array<std::uint32_t> mask;
  if (arguments.has("bias")) {
    bias = arguments.array<float>("bias", 1);
    require(bias.size() == outputs, "bias must have one value per output");
    args.store.bias = bias.data.data();
  }
  if (arguments.has("residual")) {
    residual = arguments.array<float>("residual", 3);
    require(residual.shape[0] == images && residual.shape[1] == outputs &&
                residual.shape[2] >= end + kVector,
            "residual must be (images, outputs, end + 16 or more)");
    args.store.residual = residual.data.data();
    args.store.residual_plane = residual.shape[2];
    args.store.residual_image = outputs * residual.shape[2];
  }
  if (arguments.has("mask")) {
    mask = arguments.array<std::uint32_t>("mask", 1);
    require(mask.size() >= end / 32 + 2, "mask must cover the pixels and a word more");
    args.store.mask = mask.data.data();
  }
  args.store.activation = activation_of(arguments);
  Output<float> output(images * outputs * end);
  args.input = input.data.data();
  args.input_image = input.shape[1];
  args.taps = taps.data();
  args.segments = segments.data();
  args.segment_count = static_cast<std::int64_t>(segments.size());
  args.output = output.data();
  args.output_plane = end;
  args.output_image = outputs * end;
  args.outputs = outputs;
  args.begin = begin;
  args.end = end;
  args.images = images;
  args.tile = arguments.integer("tile");
  niwaki::run_kernel<Op>(entry, args, run);
  return output.to_numpy({images, outputs, end});
}

nb::object sparse_conv_f32(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto values = arguments.array<float>("values", 1);
  return sparse_conv<SparseConvF32, SparseTap>(
      entry, arguments, run, arguments.integer("outputs"), values.shape[0],
      [&](std::size_t e, std::int32_t offset) { return SparseTap{offset, values.data[e]}; });
}

nb::object sparse_conv4_f32(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto values = arguments.array<float>("values", 2);
  require(values.shape[1] == 4, "values must be (taps, 4)");
  return sparse_conv<SparseConv4F32, SparseTap4>(
      entry, arguments, run, (arguments.integer("outputs") + 3) / 4, values.shape[0],
      [&](std::size_t e, std::int32_t offset) {
        const float* v = values.data.data() + 4 * e;
        return SparseTap4{offset, {v[0], v[1], v[2], v[3]}};
      });
}

nb::object split_phases(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<float>("x", 3);
  const auto firsts = arguments.array<std::int64_t>("planes", 2);  // first_y, first_x, rows
  require(firsts.shape[1] == 3, "planes must be (planes, 3)");
  SplitPhasesF32Args args{};
  args.channels = x.shape[0];
  args.height = x.shape[1];
  args.width = args.input_row = x.shape[2];
  args.input_plane = x.shape[1] * x.shape[2];
  args.stride_h = arguments.integer("stride_h");
  args.stride_w = arguments.integer("stride_w");
  args.row = arguments.integer("row");
  args.margin = arguments.integer("margin");
  require(args.stride_h >= 1 && args.stride_w >= 1 && args.row >= 1 && args.margin >= 0,
          "strides and row must be 1 or more, margin 0 or more");
  std::vector<PhasePlane> planes;
  for (std::size_t k = 0; k < firsts.data.size(); k += 3) {
    require(firsts.data[k + 2] >= 0, "rows must be 0 or more");
    planes.push_back(
        {args.channel + args.margin, firsts.data[k], firsts.data[k + 1], firsts.data[k + 2]});
    args.channel += args.margin + firsts.data[k + 2] * args.row;
  }
  args.planes = planes.data();
  args.plane_count = static_cast<std::int64_t>(planes.size());
  std::vector<float> image(x.data);
  image.push_back(0);  // readable behind the last row
  args.input = image.data();
  Output<float> output(args.channels * args.channel);
  args.output = output.data();
  niwaki::run_kernel<SplitPhasesF32>(entry, args, run);
  return output.to_numpy({args.channels, args.channel});
}

}  // namespace

void add_sparse_adapters(Adapters& adapters) {
  adapters[SparseConvF32::name] = sparse_conv_f32;
  adapters[SparseConv4F32::name] = sparse_conv4_f32;
  adapters[SplitPhasesF32::name] = split_phases;
}

}  // namespace niwaki
