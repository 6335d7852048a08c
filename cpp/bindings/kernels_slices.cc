// Adapters of slices_b1: binary convolutions by full adders on slices of bits.
#include "bindings/kernel_arguments.h"
#include "slices_b1/slices_b1.h"

namespace niwaki {
namespace {

using namespace kernels;

// From `size` (padded height, width and words of the image), the window, `channels`, `row` and
// `slice_words`.
SliceGeometry geometry_of(const Arguments& arguments) {
  const auto size = arguments.array<std::int64_t>("size", 1);
  require(size.size() == 3, "size must be (height, width, words)");
  const Window w = arguments.window();
  const PlaneLayout layout = make_plane_layout(1, size.data[0], size.data[1], w);
  const SliceGeometry geometry{
      {size.data[1], size.data[2], w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h,
       w.dilation_w, layout.out_height, layout.out_width},
      arguments.integer("channels"),
      arguments.integer("row"),
      arguments.integer("slice_words")};
  require(geometry.slice_words == 4 || geometry.slice_words == 8, "slice_words must be 4 or 8");
  require(geometry.channels > 0 && geometry.channels <= 64 * size.data[2],
          "the words must have the channels");
  require(geometry.row >= layout.out_width, "row must be at least the output's width");
  require(geometry.inputs() * geometry.slice_words < 65536, "there must be fewer inputs");
  return geometry;
}

Array<std::uint64_t> slices_of(const Arguments& arguments, const SliceGeometry& geometry) {
  auto slices = arguments.array<std::uint64_t>("slices", 1);
  require(slices.size() == geometry.words(), "there must be all slices");
  return slices;
}

std::int64_t tile_of(const Arguments& arguments, const SliceGeometry& geometry) {
  const std::int64_t tile = arguments.integer("tile");
  require(tile >= 0 && tile < geometry.tiles(), "there must be such a tile");
  return tile;
}

nb::object base(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const SliceGeometry geometry = geometry_of(arguments);
  const auto input = arguments.array<std::uint64_t>("input", 3);
  const std::int64_t words = geometry.channels * geometry.base_words();
  Output<std::uint64_t> output(words);
  niwaki::run_kernel<SliceBase>(entry, {input.data.data(), geometry, output.data()}, run);
  return output.to_numpy({words});
}

// `input` is (channels, height, width); it lies in planes of `row`.
nb::object threshold(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<float>("input", 3);
  const auto sign = arguments.array<std::int8_t>("sign", 1);
  const auto level = arguments.array<float>("level", 1);
  const std::int64_t row = arguments.integer("row");
  const std::int64_t first_word = arguments.integer("first_word");
  const std::int64_t channels = input.shape[0];
  require(row >= input.shape[2] && first_word >= 0, "row must be at least the width");
  require(sign.size() == channels && level.size() == channels, "there must be all levels");
  const Planes compact = compact_planes(channels, input.shape[1], input.shape[2]);
  const Planes planes = make_planes(channels, input.shape[1], input.shape[2], row, 0);
  const auto before = static_cast<std::size_t>(elements_before(planes));
  std::vector<float> buffer(before + static_cast<std::size_t>(elements_from_origin(planes, 1)));
  copy_planes(compact, input.data.data(), planes, buffer.data() + before, 1);
  const std::vector<std::uint32_t> mask = pixel_mask(planes);
  const std::int64_t words = first_word + (planes.pixels() + 63) / 64 + 1;
  Output<std::uint64_t> output(channels * words);
  niwaki::run_kernel<SliceThreshold>(entry,
                                     {buffer.data() + before, planes, mask.data(), sign.data.data(),
                                      level.data.data(), first_word, words, output.data()},
                                     run);
  return output.to_numpy({channels, words});
}

nb::object bits(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const SliceGeometry geometry = geometry_of(arguments);
  Array<std::uint64_t> base, input;
  if (arguments.has("base")) {
    base = arguments.array<std::uint64_t>("base", 1);
    require(base.size() == geometry.channels * geometry.base_words(), "there must be all bases");
  } else {
    input = arguments.array<std::uint64_t>("input", 3);
  }
  Output<std::uint64_t> output(geometry.words());
  niwaki::run_kernel<SliceBits>(
      entry,
      {base.data.empty() ? nullptr : base.data.data(), arguments.integer("lead"), input.data.data(),
       geometry, tile_of(arguments, geometry), output.data()},
      run);
  return output.to_numpy({geometry.words()});
}

nb::object ones(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const SliceGeometry geometry = geometry_of(arguments);
  const auto slices = slices_of(arguments, geometry);
  std::vector<std::uint16_t> inputs;
  for (std::int64_t q = 0; q < geometry.inputs(); ++q) {
    inputs.push_back(static_cast<std::uint16_t>(q * geometry.slice_words));
  }
  Output<std::int32_t> output(geometry.positions());
  niwaki::run_kernel<SliceOnes>(
      entry,
      {slices.data.data(), geometry, tile_of(arguments, geometry), inputs.data(), output.data()},
      run);
  return output.to_numpy({geometry.positions()});
}

nb::object sums(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const SliceGeometry geometry = geometry_of(arguments);
  const auto slices = slices_of(arguments, geometry);
  const auto ones = arguments.array<std::int32_t>("ones", 1);
  const auto counts = arguments.array<std::int32_t>("counts", 2);
  const auto inputs = arguments.array<std::uint16_t>("inputs", 1);
  const auto scale = arguments.array<float>("scale", 1);
  const std::int64_t group = arguments.integer("group");
  const std::int64_t outputs = scale.size();
  Array<float> residual;
  if (arguments.has("residual")) residual = arguments.array<float>("residual", 2);
  const std::int64_t positions = geometry.positions();
  require(ones.size() == positions, "ones must have the output's size");
  require(residual.data.empty() || residual.size() == outputs * positions,
          "the residual must have the output's size");
  require((group == 2 || group == 4) && counts.shape[1] == std::int64_t{1} << group &&
              counts.shape[0] == (outputs + group - 1) / group,
          "counts must be (groups, 2^group), group 2 or 4");
  const std::int64_t stride = positions + 3;
  Output<float> output(outputs * stride);
  niwaki::run_kernel<SlicesB1>(
      entry,
      {slices.data.data(), geometry, tile_of(arguments, geometry), ones.data.data(), outputs, group,
       arguments.integer("planes"), counts.data.data(), inputs.data.data(), scale.data.data(),
       residual.data.empty() ? nullptr : residual.data.data(), positions, output.data(), stride},
      run);
  return output.to_numpy({outputs, stride});
}

}  // namespace

void add_slices_adapters(Adapters& adapters) {
  adapters[SliceBase::name] = base;
  adapters[SliceThreshold::name] = threshold;
  adapters[SliceBits::name] = bits;
  adapters[SliceOnes::name] = ones;
  adapters[SlicesB1::name] = sums;
}

}  // namespace niwaki
