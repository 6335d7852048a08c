// Adapters of the activation-sparse convolution (maps come in as planes, and are encoded here) and
// of its baseline, im2col.
#include "bindings/kernel_arguments.h"
#include "cpo_f32/cpo_f32.h"
#include "im2col_f32/im2col_f32.h"

namespace niwaki {
namespace {

using namespace kernels;

constexpr std::int64_t kMost = 1 << 16;  // of any size: products stay far from overflow

std::int64_t size_of(const Arguments& arguments, const char* key, std::int64_t least) {
  const std::int64_t size = arguments.integer(key);
  require(size >= least && size <= kMost, "sizes must lie in their range");
  return size;
}

// An encoded block: x (channels, height, columns), by columns.
struct Block {
  explicit Block(const Arguments& arguments) : x(arguments.array<float>("x", 3)) {
    channels = x.shape[0];
    height = x.shape[1];
    columns = x.shape[2];
    block = size_of(arguments, "block", 1);
    require(channels >= 1 && channels <= block && block % kCpoChannels == 0,
            "block must hold the channels, in whole 16s");
    require(height >= 1 && columns >= 1, "x must not be empty");
    require(height * block <= kCpsPrefix, "places must fit 15 bits");
    capacity = height * channels + 16;
    x.data.resize(x.data.size() + 16);  // readable behind the last row
    values.resize(static_cast<std::size_t>(columns * capacity));
    places.resize(values.size());
    starts.resize(static_cast<std::size_t>(columns * (height + 1)));
    words.resize(starts.size());
  }

  CpoEncodeF32Args args(std::int64_t first, std::int64_t count) {
    return {x.data.data() + first,
            height * columns,
            columns,
            channels,
            block,
            height,
            count,
            capacity,
            values.data() + first * capacity,
            places.data() + first * capacity,
            starts.data() + first * (height + 1),
            words.data() + first * (height + 1)};
  }

  Array<float> x;
  std::int64_t channels, height, columns, block, capacity;
  std::vector<float> values;
  std::vector<std::uint16_t> places;
  std::vector<std::int32_t> starts, words;
};

// (columns, 2 * (height + 1) + 2 * capacity): starts, words (zeros for CPO), values and places.
template <class Op, bool kSets>
nb::object encode(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  Block block(arguments);
  require(block.columns <= kCpoColumns, "columns must fit one call");
  niwaki::run_kernel<Op>(entry, block.args(0, block.columns), run);
  const std::int64_t rows = block.height + 1;
  const std::int64_t width = 2 * rows + 2 * block.capacity;
  Output<float> output(block.columns * width);
  std::fill(output.data(), output.data() + block.columns * width, 0.0F);
  for (std::int64_t k = 0; k < block.columns; ++k) {
    float* to = output.data() + k * width;
    const std::int32_t* starts = block.starts.data() + k * rows;
    const std::int32_t* words = kSets ? block.words.data() + k * rows : starts;
    require(starts[rows - 1] <= block.capacity && words[rows - 1] <= block.capacity,
            "a kernel must not count more entries than inputs");
    std::copy(starts, starts + rows, to);
    if (kSets) std::copy(words, words + rows, to + rows);
    const float* values = block.values.data() + k * block.capacity;
    std::copy(values, values + starts[rows - 1], to + 2 * rows);
    const std::uint16_t* places = block.places.data() + k * block.capacity;
    std::copy(places, places + words[rows - 1], to + 2 * rows + block.capacity);
  }
  return output.to_numpy({block.columns, width});
}

// (windows, outputs) of one output row; weights (kernel_h * block, kernel_w, outputs), packed.
template <class Op, class Encode>
nb::object multiply(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  Block block(arguments);
  for (std::int64_t first = 0; first < block.columns; first += kCpoColumns) {
    select_kernel<Encode>(Isa::reference)(
        block.args(first, std::min(kCpoColumns, block.columns - first)));
  }
  const auto weights = arguments.array<float>("weights", 3);
  CpoMultiplyF32Args args = {};
  args.values = block.values.data();
  args.places = block.places.data();
  args.starts = block.starts.data();
  args.words = block.words.data();
  args.capacity = block.capacity;
  args.height = block.height;
  args.columns = block.columns;
  args.kernel_w = weights.shape[1];
  args.outputs = weights.shape[2];
  args.stride_w = size_of(arguments, "stride_w", 1);
  args.pad_left = size_of(arguments, "pad_left", 0);
  args.windows = size_of(arguments, "windows", 1);
  const std::int64_t top = arguments.integer("top");  // input row of the window's first
  require(top > -kMost && top < kMost, "top must lie in its range");
  args.first_row = std::clamp<std::int64_t>(top, 0, block.height);
  args.last_row = std::clamp<std::int64_t>(top + weights.shape[0] / block.block, 0, block.height);
  args.shift = top * block.block;
  args.weights = weights.data.data();
  require(args.outputs >= 16 && args.outputs <= kCpoOutputs && args.outputs % 16 == 0,
          "outputs must be 16, 32, 48 or 64");
  require(args.kernel_w >= 1 && weights.shape[0] % block.block == 0,
          "weights must be (kernel_h * block, kernel_w, outputs)");
  const std::int64_t overlaps = cpo_overlaps(args.kernel_w, args.stride_w);
  require(overlaps <= kCpoMostWindows, "a column may be read by 7 windows at most");
  std::vector<float> sums(
      static_cast<std::size_t>(cpo_slots(args.windows, overlaps) * args.outputs));
  args.sums = sums.data();
  niwaki::run_kernel<Op>(entry, args, [&](const std::function<void()>& kernel) {
    run([&] {
      std::fill(sums.begin(), sums.end(), 0.0F);
      kernel();
    });
  });
  const std::int64_t size = args.windows * args.outputs;
  Output<float> output(size);
  const auto first = sums.begin() + (overlaps - 1) * args.outputs;
  std::copy(first, first + size, output.data());
  return output.to_numpy({args.windows, args.outputs});
}

// sums (rows, width, outputs) to planes (channels, rows * row), bias and residual if given, ReLU.
nb::object store(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  auto sums = arguments.array<float>("sums", 3);
  CpoStoreF32Args args = {};
  args.rows = sums.shape[0];
  args.width = args.slots = sums.shape[1];
  args.outputs = sums.shape[2];
  args.channels = size_of(arguments, "channels", 1);
  args.row = size_of(arguments, "row", args.width);
  require(args.rows >= 1 && args.width >= 1, "sums must not be empty");
  require(args.outputs % 16 == 0 && args.channels <= args.outputs,
          "outputs must be whole 16s that hold the channels");
  const std::int64_t pixels = args.rows * args.row;
  std::vector<std::uint32_t> mask(static_cast<std::size_t>(pixels / 32 + 2));
  for (std::int64_t p = 0; p < pixels; ++p) {
    if (p % args.row < args.width) mask[p / 32] |= std::uint32_t{1} << (p % 32);
  }
  const bool biased = arguments.has("bias");
  const auto bias = biased ? arguments.array<float>("bias", 1) : Array<float>{};
  require(!biased || bias.size() == args.channels, "bias must have a value per channel");
  const bool added = arguments.has("residual");
  auto residual = added ? arguments.array<float>("residual", 2) : Array<float>{};
  require(!added || (residual.shape[0] == args.channels && residual.shape[1] == pixels),
          "residual must have the output's shape");
  residual.data.resize(residual.data.size() + kPixelBlock);  // a vector is read to its end
  Output<float> output(args.channels * pixels);
  args.sums = sums.data.data();
  args.output = output.data();
  args.output_plane = pixels;
  args.bias = biased ? bias.data.data() : nullptr;
  args.residual = added ? residual.data.data() : nullptr;
  args.store.residual_plane = pixels;
  args.store.activation.kind = activation_kind("relu");
  args.store.mask = args.row == args.width ? nullptr : mask.data();
  args.store.pixels = pixels;
  niwaki::run_kernel<CpoStoreF32>(entry, args, run);
  return output.to_numpy({args.channels, pixels});
}

// (taps, kPanelPixels): runs (from, first, count) as int64.
nb::object lower(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<float>("input", 1);
  const auto taps = arguments.array<std::int32_t>("taps", 1);
  const auto given = arguments.array<std::int64_t>("runs", 2);
  const std::int64_t step = size_of(arguments, "step", 1);
  require(given.shape[1] == 3, "runs must be (from, first, count)");
  std::vector<PixelRun> runs;
  for (std::size_t r = 0; r + 3 <= given.data.size(); r += 3) {
    const PixelRun one = {given.data[r], given.data[r + 1], given.data[r + 2]};
    require(one.from >= 0 && one.from < kMost && one.first >= 0 && one.count >= 1 &&
                one.first < kPanelPixels && one.count <= kPanelPixels - one.first,
            "runs must lie in the panel");
    for (const std::int32_t tap : taps.data) {
      require(tap >= 0 && tap + one.from + (one.count - 1) * step < input.size(),
              "runs must lie in the input");
    }
    runs.push_back(one);
  }
  Output<float> output(taps.size() * kPanelPixels);
  niwaki::run_kernel<Im2colF32>(entry,
                                {input.data.data(), taps.data.data(), taps.size(), runs.data(),
                                 static_cast<std::int64_t>(runs.size()), step, output.data()},
                                run);
  return output.to_numpy({taps.size(), kPanelPixels});
}

// One panel (taps, kPanelPixels) of an output of `size` pixels, of which it has the last ones.
nb::object gemm(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto panel = arguments.array<float>("panel", 2);
  const auto weights = arguments.array<float>("weights", 3);
  GemmF32Args args = {};
  args.outputs = size_of(arguments, "outputs", 1);
  const std::int64_t pixels = size_of(arguments, "size", 1);
  args.first_pixel = (pixels - 1) / kPanelPixels * kPanelPixels;
  require(panel.shape[1] == kPanelPixels, "the panel must be (taps, kPanelPixels)");
  require(weights.shape[0] == (args.outputs + kGemmOutputs - 1) / kGemmOutputs &&
              weights.shape[1] == panel.shape[0] && weights.shape[2] == kGemmOutputs,
          "weights must be (blocks, taps, kGemmOutputs)");
  const auto bias = arguments.array<float>("bias", 1);
  auto residual = arguments.array<float>("residual", 2);
  require(bias.size() == args.outputs, "bias must have a value per output");
  require(residual.shape[0] == args.outputs && residual.shape[1] == pixels,
          "residual must have the output's shape");
  residual.data.resize(residual.data.size() + kPixelBlock);  // a vector is read to its end
  Output<float> output(args.outputs * pixels);
  std::fill(output.data(), output.data() + args.outputs * pixels, 0.0F);
  args.panel = panel.data.data();
  args.tap_count = panel.shape[0];
  args.weights = weights.data.data();
  args.output = output.data();
  args.output_plane = pixels;
  args.bias = bias.data.data();
  args.residual = residual.data.data();
  args.store.residual_plane = pixels;
  args.store.activation.kind = activation_kind("relu");
  args.store.pixels = pixels;
  niwaki::run_kernel<GemmF32>(entry, args, run);
  return output.to_numpy({args.outputs, pixels});
}

}  // namespace

void add_cpo_adapters(Adapters& adapters) {
  adapters[CpoEncodeF32::name] = encode<CpoEncodeF32, false>;
  adapters[CpsEncodeF32::name] = encode<CpsEncodeF32, true>;
  adapters[CpoMultiplyF32::name] = multiply<CpoMultiplyF32, CpoEncodeF32>;
  adapters[CpsMultiplyF32::name] = multiply<CpsMultiplyF32, CpsEncodeF32>;
  adapters[CpoStoreF32::name] = store;
  adapters[Im2colF32::name] = lower;
  adapters[GemmF32::name] = gemm;
}

}  // namespace niwaki
