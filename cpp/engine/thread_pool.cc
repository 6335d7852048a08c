#include "engine/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <exception>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#include "engine/cpus.h"
#include "engine/error.h"
#include "engine/text.h"

namespace niwaki {
namespace {

// Waking a sleeper takes some 50 us. Watching costs a core that others might want, so it is
// bounded.
constexpr auto kWatch = std::chrono::microseconds(100);

// Waits until ready() or kWatch is over; tells whether it is ready.
template <class Ready>
bool watch(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kWatch;
  do {
    for (int k = 0; k < 64; ++k) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

constexpr int64_t kMostUnits = 0xffff;

std::atomic<int> forks{0};

// How many forks lie between the first pool's process and this one.
int count_forks() {
#if defined(__linux__)
  static const int watched = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  (void)watched;
#endif
  return forks.load(std::memory_order_relaxed);
}

// The parts of ThreadPool::Share::left.
uint64_t left_of(uint32_t job, int64_t first, int64_t end) {
  return static_cast<uint64_t>(job) << 32 | static_cast<uint64_t>(first << 16 | end);
}
uint32_t job_of(uint64_t left) { return static_cast<uint32_t>(left >> 32); }
int64_t first_of(uint64_t left) { return static_cast<int64_t>(left >> 16 & 0xffff); }
int64_t end_of(uint64_t left) { return static_cast<int64_t>(left & 0xffff); }

}  // namespace

ThreadPool::ThreadPool(int threads, bool pin)
    : forks_(count_forks()),
      is_pinned_(pin),
      shares_(static_cast<size_t>(threads)),
      answers_(static_cast<size_t>(threads)) {
  const std::vector<int> cpus = pin ? allowed_cpus() : std::vector<int>();
  std::vector<std::thread>& workers = crew_->workers;
  workers.reserve(static_cast<size_t>(threads));
  try {
    for (int thread = 1; thread < threads; ++thread) {
      // The first CPU is the caller's, unless there is no other.
      const size_t others = cpus.size() - 1;
      const size_t place = cpus.size() < 2 ? 0 : 1 + static_cast<size_t>(thread - 1) % others;
      const int cpu = cpus.empty() ? -1 : cpus[place];
      workers.emplace_back([this, thread, cpu] { work(thread, cpu); });
    }
  } catch (const std::exception& error) {
    const size_t made = workers.size();
    stop();
    throw Error(ErrorKind::kValueDomain, "Engine",
                concat("the system must give ", threads - 1, " threads"),
                concat(made, ", then: ", error.what()), "Ask for fewer threads");
  }
}

ThreadPool::~ThreadPool() {
  if (forks_ == count_forks()) {
    stop();
  } else {
    (void)crew_.release();  // neither joining nor destroying would end
  }
}

void ThreadPool::stop() {
  {
    std::lock_guard lock(crew_->mutex);
    stop_ = true;
  }
  crew_->wake.notify_all();
  for (std::thread& worker : crew_->workers) worker.join();
}

bool ThreadPool::is_alone() const { return shares_.size() < 2 || forks_ != count_forks(); }

void ThreadPool::leave_callers_cpu() {
#if defined(__linux__)
  if (is_pinned_ || is_alone()) return;
  const int own = sched_getcpu();
  if (own < 0 || callers_cpu_.exchange(own) == own) return;
  cpu_set_t others;
  CPU_ZERO(&others);
  for (const int cpu : allowed_cpus()) {
    if (cpu != own) CPU_SET(cpu, &others);
  }
  if (CPU_COUNT(&others) == 0) return;
  // A wish, as in bind_to_cpu().
  for (std::thread& worker : crew_->workers) {
    (void)pthread_setaffinity_np(worker.native_handle(), sizeof(others), &others);
  }
#endif
}

// Every other thread goes through its share from the back, so two of them meet in the middle of the
// maps, and what is taken from another is what it would have come to last.
bool ThreadPool::take(uint32_t job, int thread, Share& share, bool own) {
  const bool from_back = ((&share - shares_.data()) % 2 == 1) == own;
  uint64_t left = share.left.load();
  while (true) {
    // Read before the unit is taken: taking it proves that they are this job's.
    const Function call = share.call.load();
    const void* object = share.object.load();
    const int64_t tasks = share.tasks.load(), units = share.units.load();
    const int64_t first = first_of(left), end = end_of(left);
    if (job_of(left) != job || first >= end) return false;
    const uint64_t next = from_back ? left_of(job, first, end - 1) : left_of(job, first + 1, end);
    if (!share.left.compare_exchange_weak(left, next)) continue;
    const int64_t unit = from_back ? end - 1 : first;
    const int64_t last = tasks * (unit + 1) / units;
    for (int64_t task = tasks * unit / units; task < last; ++task) call(object, task, thread);
    return true;
  }
}

int64_t ThreadPool::drain(uint32_t job, int thread) {
  const int count = threads();
  int64_t done = 0;
  for (int step = 0; step < count; ++step) {
    Share& share = shares_[static_cast<size_t>((thread + step) % count)];
    while (take(job, thread, share, step == 0)) ++done;
  }
  return done;
}

void ThreadPool::run_job(Function call, const void* object, int64_t tasks) {
  std::unique_lock busy(busy_, std::defer_lock);
  if (is_alone() || !busy.try_lock()) {
    for (int64_t task = 0; task < tasks; ++task) call(object, task, 0);
    return;
  }
  if (tasks < 1) return;
  const uint32_t job = ++job_;
  const int64_t count = threads(), units = std::min(tasks, kMostUnits);
  for (int64_t thread = count - 1; thread >= 0; --thread) {
    // Nothing is left of the old job in it, so that nobody takes what is written now for that
    // one's.
    Share& share = shares_[static_cast<size_t>(thread)];
    share.call.store(call, std::memory_order_relaxed);
    share.object.store(object, std::memory_order_relaxed);
    share.tasks.store(tasks, std::memory_order_relaxed);
    share.units.store(units, std::memory_order_relaxed);
    share.left.store(left_of(job, units * thread / count, units * (thread + 1) / count));
  }
  if (sleepers_.load() > 0) {
    std::lock_guard lock(crew_->mutex);  // a worker that is about to sleep sees the job first
    crew_->wake.notify_all();
  }
  const int64_t others = units - drain(job, 0);
  const auto all_done = [&] {
    int64_t done = 0;
    for (size_t thread = 1; thread < answers_.size(); ++thread) {
      const uint64_t answer = answers_[thread].done.load();
      if (job_of(answer) == job) done += static_cast<int64_t>(answer & 0xffffffffU);
    }
    return done == others;
  };
  if (watch(all_done)) return;
  std::unique_lock lock(crew_->mutex);
  caller_sleeps_.store(true);
  crew_->finished.wait(lock, all_done);
  caller_sleeps_.store(false);
}

bool ThreadPool::wait_for_job(int thread, uint32_t seen) {
  const std::atomic<uint64_t>& left = shares_[static_cast<size_t>(thread)].left;
  const auto changed = [&] { return job_of(left.load()) != seen || stop_.load(); };
  if (sessions_.load() > 0 && watch(changed)) return !stop_.load();
  std::unique_lock lock(crew_->mutex);
  sleepers_.fetch_add(1);
  crew_->wake.wait(lock, changed);
  sleepers_.fetch_sub(1);
  return !stop_.load();
}

void ThreadPool::work(int thread, int cpu) {
  FlushSubnormals flush;
  bind_to_cpu(cpu);
  const auto own = static_cast<size_t>(thread);
  uint32_t seen = 0;
  while (wait_for_job(thread, seen)) {
    seen = job_of(shares_[own].left.load());
    const int64_t done = drain(seen, thread);
    answers_[own].done.store(static_cast<uint64_t>(seen) << 32 | static_cast<uint64_t>(done));
    if (caller_sleeps_.load()) {
      std::lock_guard lock(crew_->mutex);
      crew_->finished.notify_all();
    }
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
