// What a step sees while one image runs: the values' buffers, scratch, and the threads.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/thread_pool.h"

namespace niwaki {

class Run {
 public:
  // `scratch` holds `threads` blocks of `scratch_stride` bytes; `pool` is nullptr to run on one
  // thread.
  Run(uint8_t* const* buffers, uint8_t* shared, uint8_t* const* scratch, ThreadPool* pool)
      : buffers_(buffers), shared_(shared), scratch_(scratch), pool_(pool) {}

  template <typename T = uint8_t>
  T* value(int id) const {
    return reinterpret_cast<T*>(buffers_[id]);
  }

  // Scratch of this image, Step::shared_bytes long.
  uint8_t* shared() const { return shared_; }

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
  uint8_t* const* buffers_;
  uint8_t* shared_;
  uint8_t* const* scratch_;
  ThreadPool* pool_;
};

}  // namespace niwaki
