// What a step sees while images run: the values' buffers, scratch, and the threads.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/thread_pool.h"

namespace niwaki {

// Where a value's images lie at the moment. A value has one form or both (layouts.h).
struct View {
  uint8_t* compact = nullptr;
  uint8_t* planes = nullptr;                     // the origin
  size_t compact_stride = 0, planes_stride = 0;  // bytes of one image
};

class Run {
 public:
  // `scratch` holds a block of thread_bytes per thread; `pool` is nullptr to run on one thread.
  Run(const View* views, int64_t images, uint8_t* shared, uint8_t* const* scratch, ThreadPool* pool)
      : views_(views), images_(images), shared_(shared), scratch_(scratch), pool_(pool) {}

  // Images that a batched step runs at once (Step::batched), 1 for the others.
  int64_t images() const { return images_; }

  // Which of several images the other steps run: value() points at it.
  Run image(int64_t index) const {
    Run one = *this;
    one.image_ = image_ + index;
    one.images_ = 1;
    return one;
  }

  // The compact form.
  template <typename T = uint8_t>
  T* value(int id) const {
    return reinterpret_cast<T*>(views_[id].compact +
                                views_[id].compact_stride * static_cast<size_t>(image_));
  }

  // The origin of the padded planes; images lie Planes::image apart.
  float* planes(int id) const {
    return reinterpret_cast<float*>(views_[id].planes +
                                    views_[id].planes_stride * static_cast<size_t>(image_));
  }

  // The first thread's scratch.
  uint8_t* scratch() const { return scratch_[0]; }

  // Scratch of this image, Step::shared_bytes long.
  uint8_t* shared() const { return shared_; }

  // Whether values that nobody needs (Program::unneeded) are made all the same.
  bool everything() const { return everything_; }
  void set_everything(bool wanted) { everything_ = wanted; }

  int threads() const { return pool_ == nullptr ? 1 : pool_->threads(); }

  // Calls body(task, scratch) for each task in [0, tasks), scratch being Step::thread_bytes of the
  // thread's own. The tasks must not depend on each other: they may run at once, in any order.
  template <class Body>
  void parallel(int64_t tasks, const Body& body) {
    if (pool_ == nullptr || tasks < 2) {
      for (int64_t task = 0; task < tasks; ++task) body(task, scratch_[0]);
      return;
    }
    pool_->run(tasks, [&](int64_t task, int thread) { body(task, scratch_[thread]); });
  }

 private:
  const View* views_;
  int64_t images_;
  uint8_t* shared_;
  uint8_t* const* scratch_;
  ThreadPool* pool_;
  int64_t image_ = 0;
  bool everything_ = false;
};

}  // namespace niwaki
