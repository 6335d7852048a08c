// Adapters of the linear layers and of the thresholds.
#include "bindings/kernel_arguments.h"
#include "linear/linear.h"
#include "threshold/threshold.h"

namespace niwaki {
namespace {

using namespace kernels;

template <class Op, class X, class W, class Acc>
nb::object dense(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<X>("x", 2);
  const auto weights = arguments.array<W>("weights", 2);
  const std::int64_t images = x.shape[0];
  const std::int64_t inputs = x.shape[1];
  const std::int64_t outputs = weights.shape[0];
  require(weights.shape[1] == inputs, "weights must have as many columns as x");
  Output<Acc> output(images * outputs);
  niwaki::run_kernel<Op>(
      entry,
      {x.data.data(), images, inputs, inputs, weights.data.data(), outputs, output.data(), outputs},
      run);
  return output.to_numpy({images, outputs});
}

template <class Op, class X, class W, class Acc>
nb::object sparse(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<X>("x", 2);
  const auto columns = arguments.array<std::int32_t>("columns", 1);
  const auto values = arguments.array<W>("values", 1);
  const auto starts = arguments.array<std::int32_t>("starts", 1);
  const std::int64_t images = x.shape[0];
  const std::int64_t inputs = x.shape[1];
  const std::int64_t outputs = starts.size() - 1;
  require(values.size() == columns.size(), "values must be as many as columns");
  require(outputs >= 0 && starts.data.front() == 0 && starts.data.back() == columns.size() &&
              std::is_sorted(starts.data.begin(), starts.data.end()),
          "starts must rise from 0 to the number of entries");
  for (const std::int32_t column : columns.data) {
    require(column >= 0 && column < inputs, "columns must lie in x");
  }
  Output<Acc> output(images * outputs);
  niwaki::run_kernel<Op>(entry,
                         {x.data.data(), images, inputs, columns.data.data(), values.data.data(),
                          starts.data.data(), outputs, output.data(), outputs},
                         run);
  return output.to_numpy({images, outputs});
}

template <class Op, class X, class Level>
nb::object threshold(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<X>("x", 2);
  const auto sign = arguments.array<std::int8_t>("sign", 1);
  const auto level = arguments.array<Level>("level", 1);
  const std::int64_t channels = x.shape[0];
  const std::int64_t pixels = x.shape[1];
  require(sign.size() == channels && level.size() == channels,
          "sign and level must have one value per channel");
  const std::int64_t words = (channels + 63) / 64;
  Output<std::uint64_t> output(pixels * words);
  niwaki::run_kernel<Op>(
      entry, {x.data.data(), channels, pixels, sign.data.data(), level.data.data(), output.data()},
      run);
  return output.to_numpy({pixels, words});
}

template <class Op, class Y>
nb::object unpack(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto words = arguments.array<std::uint64_t>("words", 2);
  const std::int64_t channels = arguments.integer("channels");
  const std::int64_t pixels = words.shape[0];
  require(channels >= 0 && words.shape[1] == (channels + 63) / 64,
          "words must be (pixels, ceil(channels / 64))");
  Output<Y> output(channels * pixels);
  niwaki::run_kernel<Op>(entry, {words.data.data(), channels, pixels, output.data()}, run);
  return output.to_numpy({channels, pixels});
}

}  // namespace

void add_linear_adapters(Adapters& adapters) {
  adapters[LinearDenseF32::name] = dense<LinearDenseF32, float, float, float>;
  adapters[LinearDenseI16::name] = dense<LinearDenseI16, std::int16_t, std::int8_t, std::int32_t>;
  adapters[LinearSparseF32::name] = sparse<LinearSparseF32, float, float, float>;
  adapters[LinearSparseI16::name] =
      sparse<LinearSparseI16, std::int16_t, std::int8_t, std::int32_t>;
  adapters[ThresholdF32::name] = threshold<ThresholdF32, float, float>;
  adapters[ThresholdU8::name] = threshold<ThresholdU8, std::uint8_t, std::int32_t>;
  adapters[ThresholdS8::name] = threshold<ThresholdS8, std::int8_t, std::int32_t>;
  adapters[UnpackBitsF32::name] = unpack<UnpackBitsF32, float>;
  adapters[UnpackBitsU8::name] = unpack<UnpackBitsU8, std::uint8_t>;
}

}  // namespace niwaki
