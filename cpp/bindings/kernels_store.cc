// Adapters of the epilogues, pools and conversions.
#include <nanobind/stl/string.h>

#include <list>

#include "bindings/kernel_arguments.h"
#include "epilogue/epilogue.h"
#include "pool/pool.h"

namespace niwaki {
namespace {

using namespace kernels;

// The arrays that a list of terms points into: [(array (C, rows, row_stride), multiplier (C,) or
// None)].
template <class Multiplier>
struct TermArrays {
  std::list<Array<float>> f32;
  std::list<Array<std::int32_t>> s32;
  std::list<Array<std::uint8_t>> u8;
  std::list<Array<std::int8_t>> s8;
  std::list<Array<Multiplier>> multipliers;
};

template <class T, class Multiplier>
bool read_term(const nb::object& value, TermType type, std::list<Array<T>>& arrays,
               Term<Multiplier>& term, const std::vector<std::int64_t>& sizes) {
  nb::ndarray<const T, nb::numpy, nb::c_contig, nb::device::cpu> view;
  if (!nb::try_cast(value, view, /*convert=*/false)) {
    return false;
  }
  const Array<T>& array = arrays.emplace_back(Arguments::to_array<T>(value, "term", 3));
  require(array.shape[0] == sizes[0] && array.shape[1] >= sizes[1] && array.shape[2] >= sizes[2],
          "a term must cover the output");
  term.data = array.data.data();
  term.type = type;
  term.channel_stride = array.shape[1] * array.shape[2];
  term.row_stride = array.shape[2];
  return true;
}

template <class Multiplier>
std::int32_t read_terms(const Arguments& arguments, const std::vector<std::int64_t>& sizes,
                        TermArrays<Multiplier>& arrays, Term<Multiplier> (&terms)[kMaxTerms]) {
  std::int32_t count = 0;
  for (const nb::handle item : nb::list(arguments.object("terms"))) {
    require(count < kMaxTerms, "there must be at most 3 terms");
    const auto pair = nb::cast<nb::tuple>(item);
    const nb::object value = nb::borrow(pair[0]);
    Term<Multiplier>& term = terms[count++];
    const bool read = read_term(value, TermType::f32, arrays.f32, term, sizes) ||
                      read_term(value, TermType::s32, arrays.s32, term, sizes) ||
                      read_term(value, TermType::u8, arrays.u8, term, sizes) ||
                      read_term(value, TermType::s8, arrays.s8, term, sizes);
    require(read, "a term must be a C-contiguous array of float32, int32, uint8 or int8");
    if (!pair[1].is_none()) {
      const auto& multiplier = arrays.multipliers.emplace_back(
          Arguments::to_array<Multiplier>(nb::borrow(pair[1]), "multiplier", 1));
      require(multiplier.size() == sizes[0], "a multiplier must have one value per channel");
      term.multiplier = multiplier.data.data();
    }
  }
  return count;
}

std::vector<std::int64_t> sizes_of(const Arguments& arguments) {
  return {arguments.integer("channels"), arguments.integer("height"), arguments.integer("width")};
}

nb::object epilogue_f32(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto sizes = sizes_of(arguments);
  EpilogueF32Args args{};
  TermArrays<float> arrays;
  args.count = read_terms(arguments, sizes, arrays, args.terms);
  Array<float> bias;
  if (arguments.has("bias")) {
    bias = arguments.array<float>("bias", 1);
    require(bias.size() == sizes[0], "bias must have one value per channel");
    args.bias = bias.data.data();
  }
  args.activation = {
      activation_kind(nb::cast<std::string>(arguments.object("activation"))),
      static_cast<float>(arguments.number("alpha")), static_cast<float>(arguments.number("beta")),
      static_cast<float>(arguments.number("lo")), static_cast<float>(arguments.number("hi"))};
  args.channels = sizes[0];
  args.height = sizes[1];
  args.width = sizes[2];
  Output<float> output(sizes[0] * sizes[1] * sizes[2]);
  args.output = output.data();
  niwaki::run_kernel<EpilogueF32>(entry, args, run);
  return output.to_numpy({sizes[0], sizes[1], sizes[2]});
}

template <class Op, class Out>
nb::object requantize(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto sizes = sizes_of(arguments);
  RequantizeArgs<Out> args{};
  TermArrays<std::int16_t> arrays;
  args.count = read_terms(arguments, sizes, arrays, args.terms);
  require(arrays.f32.empty(), "the terms of an integer sum must be integers");
  const auto bias = arguments.array<std::int64_t>("bias", 1);
  const auto shift = arguments.array<std::uint8_t>("shift", 1);
  require(bias.size() == sizes[0] && shift.size() == sizes[0],
          "bias and shift must have one value per channel");
  args.bias = bias.data.data();
  args.shift = shift.data.data();
  args.lo = arguments.integer("lo");
  args.hi = arguments.integer("hi");
  args.channels = sizes[0];
  args.height = sizes[1];
  args.width = sizes[2];
  Output<Out> output(sizes[0] * sizes[1] * sizes[2]);
  args.output = output.data();
  niwaki::run_kernel<Op>(entry, args, run);
  return output.to_numpy({sizes[0], sizes[1], sizes[2]});
}

template <class Op, class X, class Y>
nb::object pool(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<X>("x", 3);
  const std::int64_t out_height = arguments.integer("out_height");
  const std::int64_t out_width = arguments.integer("out_width");
  Output<Y> output(x.shape[0] * out_height * out_width);
  niwaki::run_kernel<Op>(
      entry,
      {x.data.data(), x.shape[0], x.shape[1], x.shape[2], arguments.window(), out_height, out_width,
       arguments.integer("count_include_pad") != 0, output.data()},
      run);
  return output.to_numpy({x.shape[0], out_height, out_width});
}

template <class Op, class X, class Y>
nb::object convert(const KernelEntry& entry, const Arguments& arguments, const Run& run) {
  const auto x = arguments.array<X>("x", 1);
  Output<Y> output(x.size());
  niwaki::run_kernel<Op>(
      entry,
      {x.data.data(), x.size(), static_cast<float>(arguments.number("scale")), output.data()}, run);
  return output.to_numpy({x.size()});
}

}  // namespace

ActivationKind activation_kind(const std::string& name) {
  static const std::map<std::string, ActivationKind> kinds{
      {"none", ActivationKind::none},
      {"relu", ActivationKind::relu},
      {"leaky_relu", ActivationKind::leaky_relu},
      {"clip", ActivationKind::clip},
      {"sigmoid", ActivationKind::sigmoid},
      {"hard_sigmoid", ActivationKind::hard_sigmoid},
      {"hard_swish", ActivationKind::hard_swish},
      {"silu", ActivationKind::silu},
      {"tanh", ActivationKind::tanh}};
  const auto found = kinds.find(name);
  require(found != kinds.end(), "activation must be a known kind");
  return found->second;
}

void add_store_adapters(Adapters& adapters) {
  adapters[EpilogueF32::name] = epilogue_f32;
  adapters[RequantizeU8::name] = requantize<RequantizeU8, std::uint8_t>;
  adapters[RequantizeS8::name] = requantize<RequantizeS8, std::int8_t>;
  adapters[SumS32::name] = requantize<SumS32, std::int32_t>;
  adapters[MaxPoolF32::name] = pool<MaxPoolF32, float, float>;
  adapters[MaxPoolU8::name] = pool<MaxPoolU8, std::uint8_t, std::uint8_t>;
  adapters[MaxPoolS8::name] = pool<MaxPoolS8, std::int8_t, std::int8_t>;
  adapters[AveragePoolF32::name] = pool<AveragePoolF32, float, float>;
  adapters[SumPoolU8::name] = pool<SumPoolU8, std::uint8_t, std::int32_t>;
  adapters[SumPoolS8::name] = pool<SumPoolS8, std::int8_t, std::int32_t>;
  adapters[QuantizeS8::name] = convert<QuantizeS8, float, std::int8_t>;
  adapters[DequantizeS32::name] = convert<DequantizeS32, std::int32_t, float>;
  adapters[DequantizeU8::name] = convert<DequantizeU8, std::uint8_t, float>;
  adapters[DequantizeS8::name] = convert<DequantizeS8, std::int8_t, float>;
}

}  // namespace niwaki
