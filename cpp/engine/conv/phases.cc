#include "engine/conv/phases.h"

#include <algorithm>

namespace niwaki::conv {
namespace {

constexpr int64_t kLine = 16;                // floats of a cache line
constexpr int64_t kChunkElements = 1 << 15;  // of a task: some 10 us

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }
int64_t floor_divide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// One dimension of a tap: output o reads input stride * (o + step) + phase.
struct Reach {
  int64_t phase, step;
};

Reach reach(int64_t tap, int64_t dilation, int64_t pad, int64_t stride) {
  const int64_t at = tap * dilation - pad;
  const int64_t step = floor_divide(at, stride);
  return {at - step * stride, step};
}

// What the taps of one phase need of it, in steps.
struct Span {
  int64_t lowest = INT64_MAX, highest = INT64_MIN;

  void add(int64_t step) {
    lowest = std::min(lowest, step);
    highest = std::max(highest, step);
  }
  bool empty() const { return lowest > highest; }
};

}  // namespace

Phases::Phases(const Problem& problem)
    : input_(problem.input),
      window_(problem.window),
      row_(problem.output.row),
      height_(problem.output.height),
      width_(problem.output.width),
      kernel_w_(problem.window.kernel_w) {
  const kernels::Window& w = window_;
  taps_.resize(static_cast<size_t>(w.kernel_h * w.kernel_w));
  if (kernels::taps_lie_in_place(input_, problem.output, w)) {
    channel_ = input_.plane;
    image_ = input_.image;
    for (int64_t i = 0; i < w.kernel_h; ++i) {
      for (int64_t j = 0; j < w.kernel_w; ++j) {
        taps_[static_cast<size_t>(i * w.kernel_w + j)] =
            (i * w.dilation_h - w.pad_top) * input_.row + j * w.dilation_w - w.pad_left;
      }
    }
    return;
  }
  split_ = kernels::select_kernel<kernels::SplitPhasesF32>(problem.isa);

  std::vector<Span> rows(static_cast<size_t>(w.stride_h));
  std::vector<Span> columns(static_cast<size_t>(w.stride_w));
  for (int64_t i = 0; i < w.kernel_h; ++i) {
    const Reach y = reach(i, w.dilation_h, w.pad_top, w.stride_h);
    rows[static_cast<size_t>(y.phase)].add(y.step);
  }
  for (int64_t j = 0; j < w.kernel_w; ++j) {
    const Reach x = reach(j, w.dilation_w, w.pad_left, w.stride_w);
    columns[static_cast<size_t>(x.phase)].add(x.step);
  }
  // Do a phase's columns, and the zeros on both sides, fit the output's row?
  bool shared = true;
  for (int64_t phase = 0; phase < w.stride_w; ++phase) {
    const Span& span = columns[static_cast<size_t>(phase)];
    if (span.empty()) continue;
    const int64_t own = (input_.width - phase + w.stride_w - 1) / w.stride_w;
    const int64_t left = std::max<int64_t>(0, -span.lowest);
    shared = shared && own + left <= row_ && width_ + span.highest <= row_ &&
             span.highest <= kernels::kMostColumnReach;
    margin_ = std::max(margin_, round_up(left, kLine));
  }
  if (!shared) margin_ = 0;

  for (int64_t i = 0; i < w.kernel_h; ++i) {
    const Reach y = reach(i, w.dilation_h, w.pad_top, w.stride_h);
    const Span& span = rows[static_cast<size_t>(y.phase)];
    const int64_t first_y = y.phase + span.lowest * w.stride_h;
    for (int64_t j = 0; j < w.kernel_w; ++j) {
      const Reach x = reach(j, w.dilation_w, w.pad_left, w.stride_w);
      const int64_t first_x = shared ? x.phase : x.phase + x.step * w.stride_w;
      auto found = std::find_if(planes_.begin(), planes_.end(), [&](const auto& plane) {
        return plane.first_y == first_y && plane.first_x == first_x;
      });
      if (found == planes_.end()) {
        const int64_t plane_rows = height_ + span.highest - span.lowest;
        planes_.push_back({channel_ + margin_, first_y, first_x, plane_rows});
        found = planes_.end() - 1;
        channel_ += round_up(margin_ + plane_rows * row_, kLine);
      }
      taps_[static_cast<size_t>(i * w.kernel_w + j)] =
          found->offset + (y.step - span.lowest) * row_ + (shared ? x.step : 0);
    }
  }
  // An odd number of lines spreads the channels over the sets of a cache (planes.cc).
  if (channel_ > 8 * kLine && channel_ / kLine % 2 == 0) channel_ += kLine;
  image_ = input_.channels * channel_;
  chunk_ = std::clamp<int64_t>(kChunkElements / std::max<int64_t>(channel_, 1), 1,
                               std::max<int64_t>(input_.channels, 1));
}

size_t Phases::scratch_bytes(int64_t images) const {
  if (in_place()) return 0;
  return static_cast<size_t>(images * image_ + kernels::kTailElements) * sizeof(float);
}

int64_t Phases::tasks(int64_t images) const {
  return images * ((input_.channels + chunk_ - 1) / chunk_);
}

void Phases::run(const Call& call, int64_t task, uint8_t* scratch) const {
  const int64_t chunks = (input_.channels + chunk_ - 1) / chunk_;
  const int64_t image = task / chunks;
  const int64_t first = task % chunks * chunk_;
  kernels::SplitPhasesF32Args args{};
  args.input = call.input + image * input_.image + first * input_.plane;
  args.channels = std::min(chunk_, input_.channels - first);
  args.height = input_.height;
  args.width = input_.width;
  args.input_row = input_.row;
  args.input_plane = input_.plane;
  args.stride_h = window_.stride_h;
  args.stride_w = window_.stride_w;
  args.planes = planes_.data();
  args.plane_count = static_cast<int64_t>(planes_.size());
  args.row = row_;
  args.margin = margin_;
  args.channel = channel_;
  args.output = reinterpret_cast<float*>(scratch) + image * image_ + first * channel_;
  split_(args);
}

}  // namespace niwaki::conv
