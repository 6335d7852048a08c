#include "engine/conv/pads.h"

#include <algorithm>

namespace niwaki::conv {

using namespace kernels;

constexpr int64_t kModestElements = int64_t{1} << 18;  // of an image, beside four times the input

PaddedInput::PaddedInput(const Problem& problem)
    : input_(problem.input), planes_(problem.input), max_images_(problem.max_images) {
  const Window& window = problem.window;
  const int64_t below = (problem.output.height - 1) * window.stride_h +
                        (window.kernel_h - 1) * window.dilation_h - window.pad_top -
                        (input_.height - 1);
  const int64_t right = (problem.output.width - 1) * window.stride_w +
                        (window.kernel_w - 1) * window.dilation_w - window.pad_left -
                        (input_.width - 1);
  const int64_t rows = std::max({window.pad_top, below, int64_t{0}});
  const int64_t columns = std::max({window.pad_left, right, int64_t{0}});
  // Left pads of a first row lie before the plane: they need a pad row as well.
  const int64_t needed = columns > 0 ? std::max<int64_t>(rows, 1) : rows;
  in_place_ = input_.pad_rows >= needed && input_.pad_columns() >= columns;
  if (!in_place_) {
    planes_ =
        make_planes(input_.channels, input_.height, input_.width, input_.width + columns, needed);
    before_ = elements_before(planes_);
  }
}

size_t PaddedInput::bytes() const {
  if (in_place_) return 0;
  return static_cast<size_t>(before_ + elements_from_origin(planes_, max_images_)) * sizeof(float);
}

void PaddedInput::fill(const Call& call, int64_t n) const {
  float* origin = reinterpret_cast<float*>(call.shared) + before_ + n * planes_.image;
  copy_planes(input_, call.input + n * input_.image, planes_, origin, 1);
  // All images' gaps at once: what lies before one image's origin is another one's last row.
  if (n == 0) clear_pad_rows(planes_, call.images, origin);
}

bool pads_are_modest(const Problem& problem) {
  const PaddedInput padded(problem);
  const int64_t input = problem.input.channels * problem.input.height * problem.input.width;
  return padded.in_place() || padded.planes().image <= 4 * input + kModestElements;
}

}  // namespace niwaki::conv
