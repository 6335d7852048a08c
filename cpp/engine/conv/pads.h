// A convolution's input with its pads: where it lies, if they are there; else copied into scratch.
#pragma once

#include "engine/conv/conv.h"

namespace niwaki::conv {

// For algorithms that read single pixels (or masked vectors) at any stride, so that only the pads
// that the window reaches must be zeros.
class PaddedInput {
 public:
  explicit PaddedInput(const Problem& problem);

  // The engine gave all pads: nothing is copied.
  bool in_place() const { return in_place_; }

  // The geometry that image() has.
  const kernels::Planes& planes() const { return planes_; }

  size_t bytes() const;  // of Call::shared, 0 where in place

  // Copies one image and its pads into Call::shared.
  void fill(const Call& call, int64_t n) const;

  // The origin of image n.
  const float* image(const Call& call, int64_t n) const {
    if (in_place_) return call.input + n * planes_.image;
    return reinterpret_cast<const float*>(call.shared) + before_ + n * planes_.image;
  }

 private:
  kernels::Planes input_;
  kernels::Planes planes_;
  bool in_place_;
  int64_t max_images_;
  int64_t before_ = 0;  // elements before the origin
};

// Whether copying the input with its pads would take little memory beside the input itself. Windows
// that reach far beyond a small map would make gigabytes of zeros, of which hardly any are read:
// the algorithms that copy leave those to the ones that gather what their taps read.
bool pads_are_modest(const Problem& problem);

}  // namespace niwaki::conv
