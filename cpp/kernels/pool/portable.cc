#include <algorithm>
#include <cmath>
#include <limits>

#include "pool/pool.h"

namespace niwaki::kernels {
namespace {

// The taps of a window that lie inside the image, along one axis: [begin, end), the first at
// `first`.
struct Span {
  std::int64_t begin, end, first;
};

Span span(std::int64_t start, std::int64_t kernel, std::int64_t dilation, std::int64_t size) {
  const std::int64_t begin = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const std::int64_t end = start < size ? std::min(kernel, (size - start - 1) / dilation + 1) : 0;
  return {begin, std::max(begin, end), start + begin * dilation};
}

// Fold every output's window: value = fold(value, pixel) from `initial`, then finish(value, rows,
// columns).
template <class X, class Y, class Value, class Fold, class Finish>
void pool(const PoolArgs<X, Y>& args, Value initial, const Fold& fold, const Finish& finish) {
  const Window& w = args.window;
  Y* output = args.output;
  for (std::int64_t c = 0; c < args.channels; ++c) {
    const X* plane = args.input + c * args.height * args.width;
    for (std::int64_t y = 0; y < args.out_height; ++y) {
      const Span rows = span(y * w.stride_h - w.pad_top, w.kernel_h, w.dilation_h, args.height);
      for (std::int64_t x = 0; x < args.out_width; ++x) {
        const Span columns =
            span(x * w.stride_w - w.pad_left, w.kernel_w, w.dilation_w, args.width);
        Value value = initial;
        for (std::int64_t i = rows.begin, row = rows.first; i < rows.end;
             ++i, row += w.dilation_h) {
          const X* pixel = plane + row * args.width + columns.first;
          for (std::int64_t j = columns.begin; j < columns.end; ++j, pixel += w.dilation_w) {
            value = fold(value, *pixel);
          }
        }
        *output++ = finish(value, rows, columns, y, x);
      }
    }
  }
}

constexpr auto same = [](auto value, auto&&...) { return value; };

template <class X>
void max_pool(const PoolArgs<X, X>& args) {
  pool(
      args, std::numeric_limits<X>::lowest(),
      [](X best, X value) {
        // `best != best`: once a NaN, always a NaN.
        return best >= value || best != best ? best : value;
      },
      same);
}

template <class X>
void sum_pool(const PoolArgs<X, std::int32_t>& args) {
  pool(args, std::int32_t{0}, [](std::int32_t sum, X value) { return sum + value; }, same);
}

template <class X>
void dequantize(const ConvertArgs<X, float>& args) {
  for (std::int64_t k = 0; k < args.count; ++k) {
    args.output[k] = static_cast<float>(args.input[k]) * args.scale;
  }
}

}  // namespace

void max_pool_f32_portable(const MaxPoolF32Args& args) { max_pool(args); }
void max_pool_u8_portable(const MaxPoolU8Args& args) { max_pool(args); }
void max_pool_i8_portable(const MaxPoolS8Args& args) { max_pool(args); }
void sum_pool_u8_i32_portable(const SumPoolU8Args& args) { sum_pool(args); }
void sum_pool_i8_i32_portable(const SumPoolS8Args& args) { sum_pool(args); }

void average_pool_f32_portable(const AveragePoolF32Args& args) {
  const Window& w = args.window;
  const auto finish = [&](float sum, const Span& rows, const Span& columns, std::int64_t y,
                          std::int64_t x) {
    std::int64_t count = (rows.end - rows.begin) * (columns.end - columns.begin);
    if (args.count_include_pad) {
      const std::int64_t padded_h = w.pad_top + args.height + w.pad_bottom;
      const std::int64_t padded_w = w.pad_left + args.width + w.pad_right;
      count = span(y * w.stride_h, w.kernel_h, w.dilation_h, padded_h).end *
              span(x * w.stride_w, w.kernel_w, w.dilation_w, padded_w).end;
    }
    return count == 0 ? 0.0F : sum / static_cast<float>(count);
  };
  pool(args, 0.0F, [](float sum, float value) { return sum + value; }, finish);
}

void quantize_f32_i8_portable(const QuantizeS8Args& args) {
  for (std::int64_t k = 0; k < args.count; ++k) {
    const float x = args.input[k] * args.scale;
    const float raised = x < -128.0F ? -128.0F : x;
    const float bounded = raised > 127.0F ? 127.0F : raised;
    const float number = x == x ? bounded : 0.0F;
    // Adding 1.5 * 2^23 rounds half to even; the clip before keeps it exact.
    const float rounded = (number + 12582912.0F) - 12582912.0F;
    args.output[k] = static_cast<std::int8_t>(static_cast<std::int32_t>(rounded));
  }
}

void dequantize_i32_f32_portable(const DequantizeS32Args& args) { dequantize(args); }
void dequantize_u8_f32_portable(const DequantizeU8Args& args) { dequantize(args); }
void dequantize_i8_f32_portable(const DequantizeS8Args& args) { dequantize(args); }

}  // namespace niwaki::kernels
