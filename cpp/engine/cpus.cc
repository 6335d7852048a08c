#include "engine/cpus.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#endif

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kHops = 600;    // of a measurement ...
constexpr int kWarmUp = 200;  // ... of which so many aren't counted
constexpr int kMeasurements = 5;
constexpr auto kPatience = std::chrono::milliseconds(20);

// The ball of two players: who sees its own number makes it the other's.
struct Game {
  alignas(64) std::atomic<int> ball{0};
  alignas(64) std::atomic<bool> over{false};

  // Plays until `last`, false where the other one doesn't come.
  bool play(int first, int last) {
    const auto end = Clock::now() + kPatience;
    for (int turn = first; turn < last; turn += 2) {
      for (int k = 0; ball.load() != turn; ++k) {
        if (k % 1024 == 1023 && (over.load() || Clock::now() > end)) {
          over.store(true);
          return false;
        }
        pause_cpu();
      }
      ball.store(turn + 1);
    }
    return true;
  }
};

// Nanoseconds of a hop, or -1.
double measure(int a, int b) {
  Game game;
  double found = -1;
  std::jthread other([&] {
    bind_to_cpu(b);
    game.play(1, kHops);
  });
  std::jthread own([&] {
    bind_to_cpu(a);
    if (!game.play(0, kWarmUp)) return;
    const auto start = Clock::now();
    if (!game.play(kWarmUp, kHops)) return;
    found =
        std::chrono::duration<double, std::nano>(Clock::now() - start).count() / (kHops - kWarmUp);
  });
  own.join();
  other.join();
  return found;
}

}  // namespace

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  // Of the process, not of the thread that asks, which may be bound to one of them.
  if (sched_getaffinity(getpid(), sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
#endif
  return cpus;
}

void bind_to_cpu(int cpu) {
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

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

double core_distance_ns(int a, int b) {
  std::vector<double> found;
  try {
    for (int k = 0; k < kMeasurements; ++k) {
      const double each = measure(a, b);
      if (each < 0) return -1;
      found.push_back(each);
    }
  } catch (const std::system_error&) {
    return -1;  // no thread to play with
  }
  std::nth_element(found.begin(), found.begin() + kMeasurements / 2, found.end());
  return found[kMeasurements / 2];
}

}  // namespace niwaki
