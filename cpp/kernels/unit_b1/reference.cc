#include "unit_b1/unit_b1.h"

namespace niwaki::kernels {
namespace {

bool bit(std::uint64_t word, std::int64_t k) { return (word >> k) & 1; }

// From the definition, bit by bit: `ones` isn't read.
template <class Args>
std::int32_t sum(const Args& args, std::int64_t y, std::int64_t x, std::int64_t o) {
  const BinaryWindow& w = args.window;
  const std::int64_t block = o / kBinaryBlock * w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  std::int32_t acc = 0;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::int64_t row = y * w.stride_h + i * w.dilation_h;
      const std::int64_t column = x * w.stride_w + j * w.dilation_w;
      for (std::int64_t c = 0; c < 64 * w.words; ++c) {
        const std::uint64_t a = args.input[(row * w.padded_w + column) * w.words + c / 64];
        const std::int64_t tap = (i * w.kernel_w + j) * w.words + c / 64;
        const std::uint64_t v = args.weights[block + tap * kBinaryBlock + o % kBinaryBlock];
        if (bit(a, c % 64)) acc += bit(v, c % 64) ? 1 : -1;
      }
    }
  }
  return acc;
}

// Call put(pixel, o, acc) for every output; it returns the bit, which goes into `words`.
template <class Args, class Put>
void for_each_output(const Args& args, const Put& put) {
  const std::int64_t words = (args.outputs + 63) / 64;
  for (std::int64_t y = 0; y < args.window.out_height; ++y) {
    for (std::int64_t x = 0; x < args.window.out_width; ++x) {
      const std::int64_t pixel = y * args.window.out_width + x;
      for (std::int64_t o = 0; o < args.outputs; ++o) {
        const bool passes = put(pixel, o, sum(args, y, x, o));
        if (args.words == nullptr) continue;
        std::uint64_t& word = args.words[pixel * words + o / 64];
        if (o % 64 == 0) word = 0;
        word |= std::uint64_t{passes} << (o % 64);
      }
    }
  }
}

}  // namespace

void unit_u1_b1_f32_reference(const UnitB1Args& args) {
  for_each_output(args, [&](std::int64_t pixel, std::int64_t o, std::int32_t acc) {
    const std::int64_t place = pixel * args.outputs + o;
    const float product = static_cast<float>(acc) * args.scale[o];
    float y = product + args.bias[o];
    if (args.residual != nullptr) y = y + args.residual[place];
    if (args.relu && y < 0) y = 0;
    if (args.output != nullptr) args.output[place] = y;
    return args.words != nullptr && args.sign[o] * y >= args.level[o];
  });
}

void chain_u1_b1_u1_reference(const ChainB1Args& args) {
  for_each_output(args, [&](std::int64_t, std::int64_t o, std::int32_t acc) {
    return args.sign[o] * acc >= args.limit[o];
  });
}

}  // namespace niwaki::kernels
