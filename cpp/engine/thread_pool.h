// A few threads that share out numbered tasks. Explicit count; the caller works too.
//
// One job at a time: a caller who finds the pool busy (another Python thread) runs its tasks alone,
// so nobody waits and results can't differ.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace niwaki {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the caller and threads - 1 of our own
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, thread) for each task in [0, tasks); thread is in [0, threads()), the caller
  // is 0. Returns when all are done. The body must not throw.
  template <class Body>
  void run(int64_t tasks, const Body& body) {
    run_job({[](const void* object, int64_t task, int thread) {
               (*static_cast<const Body*>(object))(task, thread);
             },
             &body, tasks});
  }

 private:
  // A plain pointer and a function: std::function may allocate.
  struct Job {
    void (*call)(const void* object, int64_t task, int thread) = nullptr;
    const void* object = nullptr;
    int64_t tasks = 0;
  };

  void run_job(const Job& job);
  void work(int thread);
  void drain(const Job& job, int thread);

  std::vector<std::thread> workers_;
  std::mutex busy_;  // held by the caller whose job runs
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job job_;
  uint64_t generation_ = 0;  // counts jobs
  int working_ = 0;          // workers still on the job
  bool stop_ = false;
  std::atomic<int64_t> next_{0};
};

// Subnormals cost hundreds of cycles and no accuracy: flushed to zero while in scope, on this
// thread.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  uint64_t saved_ = 0;
};

}  // namespace niwaki
