#include <cmath>
#include <limits>

#include "pool/pool.h"

namespace niwaki::kernels {
namespace {

// Call function(value) for every pixel of the window that lies inside the image.
template <class X, class Y, class Function>
void for_each_inside(const PoolArgs<X, Y>& args, std::int64_t c, std::int64_t y, std::int64_t x,
                     Function function) {
  const Window& w = args.window;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::int64_t row = y * w.stride_h + i * w.dilation_h - w.pad_top;
      const std::int64_t column = x * w.stride_w + j * w.dilation_w - w.pad_left;
      if (row >= 0 && row < args.height && column >= 0 && column < args.width) {
        function(args.input[(c * args.height + row) * args.width + column]);
      }
    }
  }
}

template <class X, class Y, class Function>
void for_each_output(const PoolArgs<X, Y>& args, Function function) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    for (std::int64_t y = 0; y < args.out_height; ++y) {
      for (std::int64_t x = 0; x < args.out_width; ++x) {
        args.output[(c * args.out_height + y) * args.out_width + x] = function(c, y, x);
      }
    }
  }
}

template <class X>
void max_pool(const PoolArgs<X, X>& args) {
  for_each_output(args, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    X best = std::numeric_limits<X>::lowest();
    for_each_inside(args, c, y, x,
                    [&](X value) { best = best >= value || best != best ? best : value; });
    return best;
  });
}

template <class X>
void sum_pool(const PoolArgs<X, std::int32_t>& args) {
  for_each_output(args, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    std::int32_t sum = 0;
    for_each_inside(args, c, y, x, [&](X value) { sum += value; });
    return sum;
  });
}

// Count the window's positions inside the image and its pads along one axis.
std::int64_t count_padded(std::int64_t start, std::int64_t kernel, std::int64_t dilation,
                          std::int64_t padded) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < kernel; ++i) {
    count += start + i * dilation < padded;
  }
  return count;
}

template <class X>
void dequantize(const ConvertArgs<X, float>& args) {
  for (std::int64_t k = 0; k < args.count; ++k) {
    args.output[k] = static_cast<float>(args.input[k]) * args.scale;
  }
}

}  // namespace

void max_pool_f32_reference(const MaxPoolF32Args& args) { max_pool(args); }
void max_pool_u8_reference(const MaxPoolU8Args& args) { max_pool(args); }
void max_pool_i8_reference(const MaxPoolS8Args& args) { max_pool(args); }
void sum_pool_u8_i32_reference(const SumPoolU8Args& args) { sum_pool(args); }
void sum_pool_i8_i32_reference(const SumPoolS8Args& args) { sum_pool(args); }

void average_pool_f32_reference(const AveragePoolF32Args& args) {
  const Window& w = args.window;
  for_each_output(args, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    double sum = 0;
    std::int64_t count = 0;
    for_each_inside(args, c, y, x, [&](float value) {
      sum += value;
      ++count;
    });
    if (args.count_include_pad) {
      count = count_padded(y * w.stride_h, w.kernel_h, w.dilation_h,
                           w.pad_top + args.height + w.pad_bottom) *
              count_padded(x * w.stride_w, w.kernel_w, w.dilation_w,
                           w.pad_left + args.width + w.pad_right);
    }
    return count == 0 ? 0.0F : static_cast<float>(sum / static_cast<double>(count));
  });
}

void quantize_f32_i8_reference(const QuantizeS8Args& args) {
  for (std::int64_t k = 0; k < args.count; ++k) {
    const float rounded = std::nearbyint(args.input[k] * args.scale);  // half to even
    if (std::isnan(rounded)) {
      args.output[k] = 0;
    } else {
      args.output[k] = static_cast<std::int8_t>(rounded < -128  ? -128
                                                : rounded > 127 ? 127
                                                                : rounded);
    }
  }
}

void dequantize_i32_f32_reference(const DequantizeS32Args& args) { dequantize(args); }
void dequantize_u8_f32_reference(const DequantizeU8Args& args) { dequantize(args); }
void dequantize_i8_f32_reference(const DequantizeS8Args& args) { dequantize(args); }

}  // namespace niwaki::kernels
