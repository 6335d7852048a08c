#include "engine/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace niwaki {

ThreadPool::ThreadPool(int threads) {
  for (int thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::drain(const Job& job, int thread) {
  for (int64_t task = next_++; task < job.tasks; task = next_++) {
    job.call(job.object, task, thread);
  }
}

void ThreadPool::run_job(const Job& job) {
  std::unique_lock busy(busy_, std::try_to_lock);
  if (workers_.empty() || !busy.owns_lock()) {
    for (int64_t task = 0; task < job.tasks; ++task) job.call(job.object, task, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    job_ = job;
    next_ = 0;
    working_ = static_cast<int>(workers_.size());
    ++generation_;
  }
  wake_.notify_all();
  drain(job, 0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return working_ == 0; });
}

void ThreadPool::work(int thread) {
  FlushSubnormals flush;
  uint64_t seen = 0;
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
      job = job_;
    }
    drain(job, thread);
    bool last;
    {
      std::lock_guard lock(mutex_);
      last = --working_ == 0;
    }
    if (last) done_.notify_one();
  }
}

#if defined(__x86_64__)
FlushSubnormals::FlushSubnormals() : saved_(_mm_getcsr()) {
  _mm_setcsr(static_cast<unsigned>(saved_) | 0x8040);  // flush-to-zero, denormals-are-zero
}
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(static_cast<unsigned>(saved_)); }
#elif defined(__aarch64__)
FlushSubnormals::FlushSubnormals() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" ::"r"(saved_ | (uint64_t{1} << 24)));
}
FlushSubnormals::~FlushSubnormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
FlushSubnormals::FlushSubnormals() = default;
FlushSubnormals::~FlushSubnormals() = default;
#endif

}  // namespace niwaki
