#include "conv_b1/conv_b1.h"
#include "conv_b1/window_ones.h"

namespace niwaki::kernels {
namespace {

bool bit(std::uint64_t word, int k) { return (word >> k) & 1; }

const std::uint64_t* pixel(const std::uint64_t* input, const BinaryWindow& w, std::int64_t y,
                           std::int64_t x, std::int64_t i, std::int64_t j) {
  const std::int64_t row = y * w.stride_h + i * w.dilation_h;
  const std::int64_t column = x * w.stride_w + j * w.dilation_w;
  return input + (row * w.padded_w + column) * w.words;
}

// From the definition, a * (2v - 1) bit by bit: `ones` isn't needed and isn't read.
template <class Args>
void conv(const Args& args) {
  const BinaryWindow& w = args.window;
  const std::int64_t block_words = w.kernel_h * w.kernel_w * w.words * kBinaryBlock;
  for (std::int64_t o = 0; o < args.outputs; ++o) {
    const std::uint64_t* weights = args.weights + o / kBinaryBlock * block_words + o % kBinaryBlock;
    for (std::int64_t y = 0; y < w.out_height; ++y) {
      for (std::int64_t x = 0; x < w.out_width; ++x) {
        std::int32_t sum = 0;
        for (std::int64_t i = 0; i < w.kernel_h; ++i) {
          for (std::int64_t j = 0; j < w.kernel_w; ++j) {
            const std::uint64_t* a = pixel(args.input, w, y, x, i, j);
            const std::uint64_t* v = weights + (i * w.kernel_w + j) * w.words * kBinaryBlock;
            for (std::int64_t c = 0; c < 64 * w.words; ++c) {
              const int k = static_cast<int>(c % 64);
              if (bit(a[c / 64], k)) {
                sum += bit(v[c / 64 * kBinaryBlock], k) ? 1 : -1;
              }
            }
          }
        }
        put_sum(args, o, y, x, sum);
      }
    }
  }
}

}  // namespace

void window_ones_u1_i32_reference(const WindowOnesArgs& args) {
  const BinaryWindow& w = args.window;
  for (std::int64_t y = 0; y < w.out_height; ++y) {
    for (std::int64_t x = 0; x < w.out_width; ++x) {
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < w.kernel_h; ++i) {
        for (std::int64_t j = 0; j < w.kernel_w; ++j) {
          const std::uint64_t* a = pixel(args.input, w, y, x, i, j);
          for (std::int64_t c = 0; c < 64 * w.words; ++c) {
            sum += bit(a[c / 64], static_cast<int>(c % 64));
          }
        }
      }
      args.ones[y * w.out_width + x] = sum;
    }
  }
}

void conv_u1_b1_i32_reference(const ConvB1Args& args) { conv(args); }
void planes_u1_b1_f32_reference(const PlanesB1Args& args) { conv(args); }

}  // namespace niwaki::kernels
