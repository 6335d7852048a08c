#include "engine/thread_pool.h"

#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace niwaki {
namespace {

// Waking a sleeper takes some 50 us. Watching costs a core that others might want, so it is
// bounded.
constexpr auto kWatch = std::chrono::microseconds(100);

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until ready() or kWatch is over; tells whether it is ready.
template <class Ready>
bool watch(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kWatch;
  do {
    for (int k = 0; k < 64; ++k) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

uint32_t job_of(uint64_t ticket) { return static_cast<uint32_t>(ticket >> 32); }
int64_t task_of(uint64_t ticket) { return static_cast<int64_t>(ticket & 0xffffffffU); }

// The CPUs that this process may use.
std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
#endif
  return cpus;
}

// A wish: where it is refused, the thread runs unbound.
void bind_to(int cpu) {
#if defined(__linux__)
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
#else
  (void)cpu;
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads, bool pin) {
  std::vector<int> cpus = allowed_cpus();
  if (!pin) cpus_.swap(cpus);
  for (int thread = 1; thread < threads; ++thread) {
    const int cpu = cpus.empty() ? -1 : cpus[static_cast<size_t>(thread) % cpus.size()];
    workers_.emplace_back([this, thread, cpu] { work(thread, cpu); });
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

void ThreadPool::leave_callers_cpu() {
#if defined(__linux__)
  if (cpus_.size() < 2 || workers_.empty()) return;
  const int own = sched_getcpu();
  if (own < 0 || callers_cpu_.exchange(own) == own) return;
  cpu_set_t others;
  CPU_ZERO(&others);
  for (const int cpu : cpus_) {
    if (cpu != own) CPU_SET(cpu, &others);
  }
  // A wish, as in bind_to().
  for (std::thread& worker : workers_) {
    (void)pthread_setaffinity_np(worker.native_handle(), sizeof(others), &others);
  }
#endif
}

void ThreadPool::drain(uint32_t job, int thread) {
  uint64_t ticket = ticket_.load();
  // Of two threads one goes from the front and one from the back: layer after layer each then works
  // on the same end of the maps, which is in its own cache. Each drains a job once, and both take
  // as many tickets as there are tasks, so they never meet.
  const bool both_ends = workers_.size() == 1;
  int64_t mine = 0;
  while (true) {
    // Read before the ticket is taken: taking it proves that they are this job's.
    const Function call = call_.load();
    const void* object = object_.load();
    const int64_t tasks = tasks_.load();
    if (job_of(ticket) != job || task_of(ticket) >= tasks) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
    const int64_t index = both_ends ? mine++ : task_of(ticket);
    call(object, both_ends && thread != 0 ? tasks - 1 - index : index, thread);
    if (done_.fetch_add(1) + 1 == tasks && caller_sleeps_.load()) {
      std::lock_guard lock(mutex_);
      finished_.notify_all();
    }
    ticket = ticket_.load();
  }
}

void ThreadPool::run_job(Function call, const void* object, int64_t tasks) {
  std::unique_lock busy(busy_, std::try_to_lock);
  if (workers_.empty() || !busy.owns_lock()) {
    for (int64_t task = 0; task < tasks; ++task) call(object, task, 0);
    return;
  }
  if (tasks < 1) return;
  // The old job's tasks are all taken; a worker that looks at it now must not take it for one with
  // as many tasks as the new one.
  const uint64_t old = ticket_.load();
  const uint32_t job = job_of(old) + 1;
  ticket_.store(old | 0xffffffffU);
  call_.store(call);
  object_.store(object);
  tasks_.store(tasks);
  done_.store(0);
  ticket_.store(static_cast<uint64_t>(job) << 32);
  if (sleepers_.load() > 0) {
    std::lock_guard lock(mutex_);  // a worker that is about to sleep sees the job first
    wake_.notify_all();
  }
  drain(job, 0);
  const auto all_done = [this, tasks] { return done_.load() == tasks; };
  if (watch(all_done)) return;
  std::unique_lock lock(mutex_);
  caller_sleeps_.store(true);
  finished_.wait(lock, all_done);
  caller_sleeps_.store(false);
}

bool ThreadPool::wait_for_job(uint32_t seen) {
  const auto changed = [this, seen] { return job_of(ticket_.load()) != seen || stop_.load(); };
  if (sessions_.load() > 0 && watch(changed)) return !stop_.load();
  std::unique_lock lock(mutex_);
  sleepers_.fetch_add(1);
  wake_.wait(lock, changed);
  sleepers_.fetch_sub(1);
  return !stop_.load();
}

void ThreadPool::work(int thread, int cpu) {
  FlushSubnormals flush;
  bind_to(cpu);
  uint32_t seen = 0;
  while (wait_for_job(seen)) {
    seen = job_of(ticket_.load());
    drain(seen, thread);
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
