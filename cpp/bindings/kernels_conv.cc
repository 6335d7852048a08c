// Adapters of the convolutions and of what brings their input into form.
#include "bindings/kernel_arguments.h"
#include "conv_b1/conv_b1.h"
#include "conv_f32/conv_f32.h"
#include "conv_i16/conv_i16.h"
#include "pad_planes/pad_planes.h"

namespace niwaki {
namespace {

using namespace kernels;

std::int64_t round_up(std::int64_t value) {
  return (value + kPixelBlock - 1) / kPixelBlock * kPixelBlock;
}

// Offsets must leave room for whole blocks of pixels: a wrong test then fails instead of crashing.
void check_offsets(const Array<std::int32_t>& offsets, std::int64_t pixels, std::int64_t input) {
  for (const std::int32_t offset : offsets.data) {
    require(offset >= 0 && offset + round_up(pixels) <= input,
            "offsets must leave room for the pixels, in whole blocks");
  }
}

std::int64_t check_starts(const Array<std::int32_t>& starts, std::int64_t entries) {
  require(starts.size() >= 1 && starts.data.front() == 0 && starts.data.back() == entries &&
              std::is_sorted(starts.data.begin(), starts.data.end()),
          "starts must rise from 0 to the number of entries");
  return starts.size() - 1;
}

template <class Op, class In, class Out>
nb::object pad_planes(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Array<In> x = arguments.array<In>("x", 3);
  const PlaneLayout layout =
      make_plane_layout(x.shape[0], x.shape[1], x.shape[2], arguments.window());
  Output<Out> output(layout.scratch_elements);
  niwaki::run_kernel<Op>(entry, {x.data.data(), output.data(), layout}, run);
  return output.to_numpy({layout.scratch_elements});
}

nb::object pad_words(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<std::uint64_t>("x", 3);
  const Window w = arguments.window();
  const std::int64_t rows = w.pad_top + x.shape[0] + w.pad_bottom;
  const std::int64_t columns = w.pad_left + x.shape[1] + w.pad_right;
  Output<std::uint64_t> output(rows * columns * x.shape[2]);
  niwaki::run_kernel<PadWords>(entry,
                               {x.data.data(), output.data(), x.shape[0], x.shape[1], x.shape[2],
                                w.pad_top, w.pad_left, w.pad_bottom, w.pad_right},
                               run);
  return output.to_numpy({rows, columns, x.shape[2]});
}

nb::object conv_sparse_f32(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<float>("input", 1);
  const auto offsets = arguments.array<std::int32_t>("offsets", 1);
  const auto values = arguments.array<float>("values", 1);
  const auto starts = arguments.array<std::int32_t>("starts", 1);
  const std::int64_t pixels = arguments.integer("pixels");
  check_offsets(offsets, pixels, input.size());
  require(values.size() == offsets.size(), "values must be as many as offsets");
  const std::int64_t outputs = check_starts(starts, offsets.size());
  std::vector<SparseEntryF32> entries;
  for (std::size_t e = 0; e < values.data.size(); ++e) {
    entries.push_back({offsets.data[e], values.data[e]});
  }
  const std::int64_t stride = round_up(pixels);
  Output<float> output(outputs * stride);
  niwaki::run_kernel<ConvSparseF32>(entry,
                                    {input.data.data(), entries.data(), starts.data.data(), outputs,
                                     pixels, output.data(), stride},
                                    run);
  return output.to_numpy({outputs, stride});
}

nb::object conv_sparse_i16(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<std::int16_t>("input", 1);
  const auto offsets = arguments.array<std::int32_t>("offsets", 2);
  const auto values = arguments.array<std::int16_t>("values", 2);
  const auto starts = arguments.array<std::int32_t>("starts", 1);
  const std::int64_t pixels = arguments.integer("pixels");
  check_offsets(offsets, pixels, input.size());
  require(values.shape == offsets.shape && offsets.shape[1] == 2,
          "values and offsets must be pairs, equally many");
  const std::int64_t outputs = check_starts(starts, offsets.shape[0]);
  std::vector<SparsePairI16> entries;
  for (std::size_t e = 0; e < values.data.size(); e += 2) {
    entries.push_back(
        {{offsets.data[e], offsets.data[e + 1]}, {values.data[e], values.data[e + 1]}});
  }
  const std::int64_t stride = round_up(pixels);
  Output<std::int32_t> output(outputs * stride);
  niwaki::run_kernel<ConvSparseI16>(entry,
                                    {input.data.data(), entries.data(), starts.data.data(), outputs,
                                     pixels, output.data(), stride},
                                    run);
  return output.to_numpy({outputs, stride});
}

template <class Op, class X, class Acc, int kTapsPerStep>
nb::object conv_dense(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<X>("input", 1);
  const auto offsets = arguments.array<std::int32_t>("offsets", 1);
  const auto weights = arguments.array<X>("weights", 1);  // packed
  const std::int64_t outputs = arguments.integer("outputs");
  const std::int64_t pixels = arguments.integer("pixels");
  check_offsets(offsets, pixels, input.size());
  require(outputs >= 0 && offsets.size() % kTapsPerStep == 0, "taps must be whole pairs");
  require(
      weights.size() == (outputs + kDenseBlock - 1) / kDenseBlock * kDenseBlock * offsets.size(),
      "weights must be packed in whole blocks");
  const std::int64_t stride = round_up(pixels);
  Output<Acc> output(outputs * stride);
  niwaki::run_kernel<Op>(entry,
                         {input.data.data(), offsets.data.data(), offsets.size() / kTapsPerStep,
                          weights.data.data(), outputs, pixels, output.data(), stride},
                         run);
  return output.to_numpy({outputs, stride});
}

// The input is padded already: its shape and the window give the output's.
BinaryWindow binary_window(const Array<std::uint64_t>& input, const Arguments& arguments) {
  const Window w = arguments.window();
  const PlaneLayout layout = make_plane_layout(1, input.shape[0], input.shape[1], w);
  return {input.shape[1], input.shape[2], w.kernel_h,   w.kernel_w,        w.stride_h,
          w.stride_w,     w.dilation_h,   w.dilation_w, layout.out_height, layout.out_width};
}

nb::object window_ones(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<std::uint64_t>("input", 3);
  const BinaryWindow window = binary_window(input, arguments);
  Output<std::int32_t> ones(window.out_height * window.out_width);
  niwaki::run_kernel<WindowOnes>(entry, {input.data.data(), window, ones.data()}, run);
  return ones.to_numpy({window.out_height, window.out_width});
}

nb::object conv_b1(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<std::uint64_t>("input", 3);
  const auto weights = arguments.array<std::uint64_t>("weights", 5);  // packed
  const auto ones = arguments.array<std::int32_t>("ones", 2);
  const std::int64_t outputs = arguments.integer("outputs");
  const BinaryWindow window = binary_window(input, arguments);
  const std::vector<std::int64_t> shape{(outputs + kBinaryBlock - 1) / kBinaryBlock,
                                        window.kernel_h, window.kernel_w, window.words,
                                        kBinaryBlock};
  require(weights.shape == shape, "weights must be (blocks, kernel_h, kernel_w, words, 8)");
  require(ones.size() == window.out_height * window.out_width, "ones must have the output's size");
  const std::int64_t stride = window.out_height * window.out_width;
  Output<std::int32_t> output(outputs * stride);
  niwaki::run_kernel<ConvB1>(entry,
                             {input.data.data(), window, weights.data.data(), ones.data.data(),
                              outputs, output.data(), stride, window.out_width},
                             run);
  return output.to_numpy({outputs, window.out_height, window.out_width});
}

}  // namespace

void add_conv_adapters(Adapters& adapters) {
  adapters[PadPlanesF32::name] = pad_planes<PadPlanesF32, float, float>;
  adapters[PadPlanesU8::name] = pad_planes<PadPlanesU8, std::uint8_t, std::int16_t>;
  adapters[PadPlanesS8::name] = pad_planes<PadPlanesS8, std::int8_t, std::int16_t>;
  adapters[PadWords::name] = pad_words;
  adapters[ConvSparseF32::name] = conv_sparse_f32;
  adapters[ConvDenseF32::name] = conv_dense<ConvDenseF32, float, float, 1>;
  adapters[ConvSparseI16::name] = conv_sparse_i16;
  adapters[ConvDenseI16::name] = conv_dense<ConvDenseI16, std::int16_t, std::int32_t, 2>;
  adapters[WindowOnes::name] = window_ones;
  adapters[ConvB1::name] = conv_b1;
}

}  // namespace niwaki
