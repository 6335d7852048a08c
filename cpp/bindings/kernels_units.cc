// Adapters of unit_b1 and pool_b1: binary convolutions that finish their sums, pools of bits.
#include <cstring>

#include "bindings/kernel_arguments.h"
#include "pool_b1/pool_b1.h"
#include "unit_b1/unit_b1.h"

namespace niwaki {
namespace {

using namespace kernels;

// The part of the arguments that both ops have; the input is padded already.
struct Common {
  Array<std::uint64_t> input, weights;
  Array<std::int32_t> ones;
  std::int64_t outputs;
  BinaryWindow window;

  explicit Common(const Arguments& arguments)
      : input(arguments.array<std::uint64_t>("input", 3)),
        weights(arguments.array<std::uint64_t>("weights", 5)),
        ones(arguments.array<std::int32_t>("ones", 2)),
        outputs(arguments.integer("outputs")) {
    const Window w = arguments.window();
    const PlaneLayout layout = make_plane_layout(1, input.shape[0], input.shape[1], w);
    window = {input.shape[1], input.shape[2], w.kernel_h,   w.kernel_w,        w.stride_h,
              w.stride_w,     w.dilation_h,   w.dilation_w, layout.out_height, layout.out_width};
    const std::vector<std::int64_t> shape{(outputs + kBinaryBlock - 1) / kBinaryBlock, w.kernel_h,
                                          w.kernel_w, window.words, kBinaryBlock};
    require(outputs > 0 && weights.shape == shape,
            "weights must be (blocks, kernel_h, kernel_w, words, 8)");
    require(ones.size() == pixels(), "ones must have the output's size");
  }
  std::int64_t pixels() const { return window.out_height * window.out_width; }
  std::int64_t words() const { return (outputs + 63) / 64; }

  // One number per output; the rest of the last block is readable, as the kernels ask for.
  template <class T>
  std::vector<T> parameters(const Arguments& arguments, const char* key) const {
    std::vector<T> values = arguments.array<T>(key, 1).data;
    require(static_cast<std::int64_t>(values.size()) == outputs,
            "parameters must have one number per output");
    values.resize(static_cast<std::size_t>((outputs + kUnitParameters - 1) / kUnitParameters *
                                           kUnitParameters));
    return values;
  }
};

// Returns the floats' bits, (pixels, outputs), behind which the words follow, two numbers each: one
// flat array of u32. `floats` and `bits` say what is asked for.
nb::object unit(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Common common(arguments);
  const bool floats = arguments.integer("floats") != 0;
  const bool bits = arguments.integer("bits") != 0;
  const auto scale = common.parameters<float>(arguments, "scale");
  const auto bias = common.parameters<float>(arguments, "bias");
  const auto sign = common.parameters<float>(arguments, "sign");
  const auto level = common.parameters<float>(arguments, "level");
  Array<float> residual;
  if (arguments.has("residual")) residual = arguments.array<float>("residual", 2);
  const std::int64_t count = common.pixels() * common.outputs;
  require(residual.data.empty() || residual.size() == count,
          "the residual must be (pixels, outputs)");
  Output<float> y(floats ? count : 0);
  Output<std::uint64_t> words(bits ? common.pixels() * common.words() : 0);
  niwaki::run_kernel<UnitB1>(
      entry,
      {common.input.data.data(), common.window, common.weights.data.data(), common.ones.data.data(),
       common.outputs, scale.data(), bias.data(),
       residual.data.empty() ? nullptr : residual.data.data(), arguments.integer("relu") != 0,
       floats ? y.data() : nullptr, sign.data(), level.data(), bits ? words.data() : nullptr},
      run);
  const std::int64_t y_size = floats ? count : 0;
  const std::int64_t words_size = bits ? common.pixels() * common.words() : 0;
  Output<std::uint32_t> all(y_size + 2 * words_size);
  // Of nothing there may be no address, which memcpy must not be given.
  if (y_size > 0)
    std::memcpy(all.data(), y.data(), static_cast<std::size_t>(y_size) * sizeof(float));
  if (words_size > 0) {
    std::memcpy(all.data() + y_size, words.data(),
                static_cast<std::size_t>(words_size) * sizeof(std::uint64_t));
  }
  y.to_numpy({y_size});  // looks at the guards
  words.to_numpy({words_size});
  return all.to_numpy({y_size + 2 * words_size});
}

// The residual is (outputs, out_height, out_width), the output lies in rows of one more.
nb::object planes(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Common common(arguments);
  const auto scale = arguments.array<float>("scale", 1);
  require(scale.size() == common.outputs, "scale must have one number per output");
  Array<float> residual;
  if (arguments.has("residual")) residual = arguments.array<float>("residual", 3);
  require(residual.data.empty() || residual.size() == common.pixels() * common.outputs,
          "the residual must have the output's size");
  const std::int64_t row = common.window.out_width + 1;
  const std::int64_t plane = row * common.window.out_height;
  Output<float> output(plane * common.outputs);
  niwaki::run_kernel<PlanesB1>(
      entry,
      {common.input.data.data(), common.window, common.weights.data.data(), common.ones.data.data(),
       common.outputs, scale.data.data(), residual.data.empty() ? nullptr : residual.data.data(),
       common.pixels(), common.window.out_width, output.data(), plane, row},
      run);
  return output.to_numpy({common.outputs, common.window.out_height, row});
}

nb::object chain(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const Common common(arguments);
  const auto sign = common.parameters<std::int32_t>(arguments, "sign");
  const auto limit = common.parameters<std::int32_t>(arguments, "limit");
  Output<std::uint64_t> words(common.pixels() * common.words());
  niwaki::run_kernel<ChainB1>(
      entry,
      {common.input.data.data(), common.window, common.weights.data.data(), common.ones.data.data(),
       common.outputs, sign.data(), limit.data(), words.data()},
      run);
  return words.to_numpy({common.pixels(), common.words()});
}

nb::object pool(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto input = arguments.array<std::uint64_t>("input", 3);
  const auto falling = arguments.array<std::uint64_t>("falling", 1);
  const std::int64_t height = arguments.integer("out_height");
  const std::int64_t width = arguments.integer("out_width");
  const std::int64_t words = input.shape[2];
  require(falling.size() == words, "falling must have a pixel's words");
  Output<std::uint64_t> output(height * width * words);
  niwaki::run_kernel<PoolB1>(
      entry,
      {input.data.data(), input.shape[0], input.shape[1], words, arguments.window(), height, width,
       falling.data.data(), output.data()},
      run);
  return output.to_numpy({height, width, words});
}

}  // namespace

void add_unit_adapters(Adapters& adapters) {
  adapters[UnitB1::name] = unit;
  adapters[ChainB1::name] = chain;
  adapters[PlanesB1::name] = planes;
  adapters[PoolB1::name] = pool;
}

}  // namespace niwaki
