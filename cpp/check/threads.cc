#include "check/threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "engine/thread_pool.h"

namespace niwaki::check {
namespace {

constexpr int kCalls = 1000;
constexpr int64_t kManyTasks = 70000;  // more than a pool has units

// Whether every task of one job ran once, and on a thread that there is.
bool run_job(ThreadPool& pool, int64_t tasks) {
  std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
  std::atomic<bool> known{true};
  pool.run(tasks, [&](int64_t task, int thread) {
    ++runs[static_cast<size_t>(task)];
    if (thread < 0 || thread >= pool.threads()) known.store(false);
  });
  return known.load() &&
         std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n.load() == 1; });
}

// Calls as an engine makes them: a few jobs each, sometimes behind a pause.
void call(ThreadPool& pool, int first, std::atomic<bool>& good) {
  for (int index = 0; index < kCalls && good.load(); ++index) {
    const ThreadPool::Session session(pool);
    for (int job = 0; job < 3; ++job) {
      if (!run_job(pool, (first + 3 * index + job) % 40)) good.store(false);
    }
    if (index % 250 == 7 && !run_job(pool, kManyTasks)) good.store(false);
    if (index % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

bool check_threads() {
  std::atomic<bool> good{true};
  for (const int threads : {2, 3, 4}) {
    ThreadPool pool(threads);
    std::thread other([&] { call(pool, 1, good); });
    call(pool, 2, good);
    other.join();
  }
  std::printf("thread pool: %d calls of two callers on 2, 3 and 4 threads%s\n", kCalls,
              good.load() ? ", every task once" : ": A TASK DID NOT RUN ONCE");
  return good.load();
}

}  // namespace niwaki::check
