// Where the taps of a convolution lie: in the input itself, or in a scratch of phases.
//
// Every algorithm on padded planes wants the input of output pixel p at tap (c, i, j) as
// origin[c * channel + tap(i, j) + p]. The input offers that where the window has stride 1 and the
// pads are there (taps_lie_in_place). Otherwise its planes are copied once into the scratch, split
// by the strides: with strides (sh, sw) the rows and columns that a tap reads are sh and sw apart,
// and side by side in a phase. Only phases, rows and columns that some tap reads are made: a 1x1
// window of stride 2 needs a quarter of the image.
//
// Taps of one phase share its plane where the output's row has room for the pads between two rows;
// else each tap column gets a plane of its own, shifted by it. That works for any geometry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/table.h"
#include "engine/conv/conv.h"
#include "split_phases/split_phases.h"

namespace niwaki::conv {

class Phases {
 public:
  explicit Phases(const Problem& problem);

  bool in_place() const { return planes_.empty(); }
  int64_t channel() const { return channel_; }  // elements from channel to channel
  int64_t image() const { return image_; }      // from image to image
  // Where tap (i, j) of output pixel 0 lies in channel 0, from origin(). May be negative.
  int64_t tap(int64_t i, int64_t j) const { return taps_[static_cast<size_t>(i * kernel_w_ + j)]; }
  // Copied elements are finite wherever the image's are; what lies behind a channel may not be.
  size_t scratch_bytes(int64_t images) const;  // 0 in place

  // Pixel (0, 0) of channel 0 of image 0. `scratch` is 64-byte aligned; unused in place.
  const float* origin(const Call& call, const uint8_t* scratch) const {
    return in_place() ? call.input : reinterpret_cast<const float*>(scratch);
  }
  // The split as tasks over chunks of channels; not in place only.
  int64_t tasks(int64_t images) const;
  void run(const Call& call, int64_t task, uint8_t* scratch) const;
  std::string kernel() const { return in_place() ? "" : std::string(split_.entry->name); }

 private:
  kernels::Planes input_;
  kernels::Window window_;
  int64_t row_, height_, width_;  // of the output
  int64_t kernel_w_;
  int64_t channel_ = 0, image_ = 0, margin_ = 0;
  int64_t chunk_ = 1;  // channels of a task
  std::vector<int64_t> taps_;
  std::vector<kernels::PhasePlane> planes_;
  kernels::Kernel<kernels::SplitPhasesF32> split_;
};

}  // namespace niwaki::conv
