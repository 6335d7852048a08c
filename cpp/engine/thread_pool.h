// A few threads that share out numbered tasks. Explicit count; the caller works too.
//
// One job at a time: a caller who finds the pool busy (another Python thread) runs its tasks alone,
// so nobody waits and results can't differ.
//
// Every thread begins with its own run of tasks, job after job the same part of them: layer after
// layer it then works on the same end of the maps, which is in its own cache. Who is through takes
// from the others what they have not begun. What one thread writes and another reads costs some
// hundred nanoseconds between distant cores, so a job tells each worker all it needs in one place,
// and each worker answers once.
//
// While a Session lasts, workers watch for the next job for some microseconds before they sleep: a
// network is a hundred short jobs, and waking a sleeper takes longer than many of them. Nobody
// waits for a worker that doesn't come: a job ends when its tasks are done, by whomever.
//
// A fork takes no threads along: the child's copy of a pool runs its tasks on the caller alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace niwaki {

class ThreadPool {
 public:
  // The caller and threads - 1 of our own; `pin` binds ours to one CPU each, the first left to the
  // caller. Throws Error where the system doesn't give as many.
  explicit ThreadPool(int threads, bool pin = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(shares_.size()); }

  // Calls body(task, thread) for each task in [0, tasks), tasks < 2^31; thread is in [0,
  // threads()), the caller is 0. Returns when all are done. The body must not throw.
  template <class Body>
  void run(int64_t tasks, const Body& body) {
    run_job([](const void* object, int64_t task,
               int thread) { (*static_cast<const Body*>(object))(task, thread); },
            &body, tasks);
  }

  // While one lives, more jobs are to be expected soon.
  class Session {
   public:
    explicit Session(ThreadPool& pool) : pool_(pool) {
      if (pool_.sessions_.fetch_add(1) == 0) pool_.leave_callers_cpu();  // else they have one
    }
    ~Session() { --pool_.sessions_; }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    ThreadPool& pool_;
  };

 private:
  using Function = void (*)(const void* object, int64_t task, int thread);

  // A thread's share of a job, and the job itself. Tasks are handed out in up to 2^16 - 1 units:
  // job << 32 | first unit left << 16 | end. To take one is to change that number, which fails
  // where somebody else was faster or the job is another by then; so whoever has read the job
  // before it took a unit has read the right one.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};
    std::atomic<Function> call{nullptr};
    std::atomic<const void*> object{nullptr};
    std::atomic<int64_t> tasks{0}, units{0};
  };
  // Units that a worker has done in a job: job << 32 | count, written when it finds no more.
  struct alignas(64) Answer {
    std::atomic<uint64_t> done{0};
  };

  // What can't be destroyed in a process that a fork made: its threads aren't there.
  struct Crew {
    std::vector<std::thread> workers;
    std::mutex mutex;  // of the sleepers
    std::condition_variable wake, finished;
  };

  bool is_alone() const;  // no workers, or a fork between
  void stop();            // ends and joins the workers

  // After a pause the system likes to wake a worker where its caller runs, and to leave it there
  // for some milliseconds: both then take turns on one CPU. So the caller's isn't one of theirs.
  void leave_callers_cpu();
  void run_job(Function call, const void* object, int64_t tasks);
  void work(int thread, int cpu);
  bool wait_for_job(int thread, uint32_t seen);  // false: stop
  int64_t drain(uint32_t job, int thread);       // units done
  bool take(uint32_t job, int thread, Share& share, bool own);

  std::unique_ptr<Crew> crew_ = std::make_unique<Crew>();
  const int forks_;  // of this process when the pool was made
  const bool is_pinned_;
  std::atomic<int> callers_cpu_{-1};
  std::mutex busy_;  // held by the caller whose job runs

  std::vector<Share> shares_;    // by thread
  std::vector<Answer> answers_;  // by thread; the caller's isn't used
  uint32_t job_ = 0;             // the last one

  // Read by all in every job and seldom written: apart from what each job writes.
  alignas(64) std::atomic<int> sessions_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
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
