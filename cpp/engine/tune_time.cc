// Timing a convolution's algorithms against each other.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>

#include "engine/container.h"
#include "engine/cpus.h"
#include "engine/ops.h"
#include "engine/tune.h"

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kEvictBytes = 2 << 20;  // more than a core's own caches hold
constexpr double kHopeless = 2.5;        // times the best: not worth another setting
// A run that the system interrupts takes many times as long: one run alone says little.
constexpr double kInterrupted = 12;
constexpr double kHopelessEstimate = 12;  // estimates are rough
constexpr auto kGather = std::chrono::microseconds(200);
constexpr size_t kFinalists = 4;
constexpr int kFirstRuns = 3;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A value's memory, its pixels noise of which `density` aren't zero; the same on every run.
class Value {
 public:
  explicit Value(const kernels::Planes& planes, double density = 1)
      : before_(kernels::elements_before(planes)),
        size_(before_ + kernels::elements_from_origin(planes, 1)),
        bytes_(static_cast<size_t>(size_) * sizeof(float)) {
    auto* all = reinterpret_cast<float*>(bytes_.data());
    std::fill_n(all, size_, 0.0F);
    uint32_t state = 1;
    const auto next = [&state] {
      state = state * 1664525 + 1013904223;  // Numerical Recipes' generator; its high bits are good
      return static_cast<float>(state >> 8) * 0x1p-24F;
    };
    for (int64_t c = 0; c < planes.channels; ++c) {
      for (int64_t y = 0; y < planes.height; ++y) {
        float* row = origin() + c * planes.plane + y * planes.row;
        for (int64_t x = 0; x < planes.width; ++x) {
          const bool is_zero = next() >= static_cast<float>(density);
          row[x] = is_zero ? 0.0F : next() + 0.1F;
        }
      }
    }
  }

  float* origin() { return reinterpret_cast<float*>(bytes_.data()) + before_; }
  const uint8_t* data() { return bytes_.data(); }
  size_t bytes() const { return bytes_.size(); }

 private:
  int64_t before_, size_;
  AlignedBytes bytes_;
};

// One algorithm at one tuning, ready to run.
struct Candidate {
  std::unique_ptr<conv::Algorithm> algorithm;
  Measured best;
};

class Bench {
 public:
  // On as many threads as the problem is cut for: half of a map has half of the engine's.
  Bench(const conv::Problem& problem, ThreadPool& pool)
      : own_(problem.threads == pool.threads() ? nullptr
                                               : std::make_unique<ThreadPool>(problem.threads)),
        pool_(own_ == nullptr ? pool : *own_),
        session_(pool_),
        input_(problem.input, problem.activation_density),
        output_(problem.output),
        residual_(reads_other(problem) ? problem.residual : kernels::compact_planes(1, 1, 1)),
        has_residual_(problem.has_residual),
        over_residual_(problem.over_residual),
        evict_(kEvictBytes) {
    std::fill_n(evict_.data(), evict_.size(), uint8_t{1});
  }

  // Milliseconds of one run.
  double time(const conv::Algorithm& algorithm) {
    reserve(algorithm);
    // As the layer before leaves the caches: the input is there, these weights are not.
    sum_ = touch(evict_.data(), evict_.size()) + touch(input_.data(), input_.bytes());
    const conv::Call call{input_.origin(), output_.origin(), residual(), 1, shared_->data()};
    gather_threads();
    const auto start = Clock::now();
    for (int stage = 0; stage < algorithm.stages(); ++stage) {
      const int64_t tasks = algorithm.tasks(stage, 1);
      if (pool_.threads() == 1 || tasks < 2) {
        for (int64_t task = 0; task < tasks; ++task) {
          algorithm.run(call, stage, task, scratch_->data());
        }
        continue;
      }
      pool_.run(tasks, [&](int64_t task, int thread) {
        algorithm.run(call, stage, task,
                      scratch_->data() + static_cast<size_t>(thread) * thread_bytes_);
      });
    }
    return ms_since(start);
  }

 private:
  static bool reads_other(const conv::Problem& problem) {
    return problem.has_residual && !problem.over_residual;
  }
  // Written over again and again, a residual only grows by as much each time.
  const float* residual() {
    if (!has_residual_) return nullptr;
    return over_residual_ ? output_.origin() : residual_.origin();
  }

  // Between layers workers are awake, as they are behind this.
  void gather_threads() {
    if (pool_.threads() == 1) return;
    std::atomic<int> there{0};
    const auto end = Clock::now() + kGather;
    pool_.run(pool_.threads(), [&](int64_t, int) {
      ++there;
      while (there.load() < pool_.threads() && Clock::now() < end) pause_cpu();
    });
  }

  static uint64_t touch(const uint8_t* data, size_t bytes) {
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i += 64) sum += data[i];
    return sum;
  }

  void reserve(const conv::Algorithm& algorithm) {
    if (shared_ == nullptr || shared_->size() < algorithm.shared_bytes) {
      shared_ = std::make_unique<AlignedBytes>(std::max<size_t>(algorithm.shared_bytes, 64));
    }
    if (scratch_ == nullptr || thread_bytes_ < algorithm.thread_bytes) {
      thread_bytes_ = align_bytes(std::max<size_t>(algorithm.thread_bytes, 64));
      scratch_ =
          std::make_unique<AlignedBytes>(thread_bytes_ * static_cast<size_t>(pool_.threads()));
    }
  }

  std::unique_ptr<ThreadPool> own_;
  ThreadPool& pool_;
  ThreadPool::Session session_;
  Value input_, output_, residual_;
  bool has_residual_, over_residual_;
  AlignedBytes evict_;
  size_t thread_bytes_ = 0;
  std::unique_ptr<AlignedBytes> shared_, scratch_;
  volatile uint64_t sum_ = 0;  // so that touching isn't optimised away
};

// The algorithms that apply, the likeliest first; the reference only where it is all there is.
std::vector<const conv::Row*> rows_to_try(const conv::Problem& problem) {
  std::vector<const conv::Row*> rows;
  for (const conv::Row& row : conv::all_algorithms()) {
    if (row.name != "reference" && row.applies(problem)) rows.push_back(&row);
  }
  if (rows.empty()) rows.push_back(conv::find_algorithm("reference"));
  std::stable_sort(rows.begin(), rows.end(), [&](const conv::Row* a, const conv::Row* b) {
    return a->estimate(problem) < b->estimate(problem);
  });
  return rows;
}

void keep_best(std::vector<Measured>& times, const Measured& found) {
  for (Measured& time : times) {
    if (time.algorithm != found.algorithm) continue;
    if (found.ms < time.ms) time = found;
    return;
  }
  times.push_back(found);
}

// Keeps kFinalists candidates, and the best one of each algorithm, which may have been interrupted.
void drop_slowest(std::vector<Candidate>& finalists) {
  if (finalists.size() <= kFinalists) return;
  for (size_t i = finalists.size(); i-- > 0;) {
    const auto is_same = [&](const Candidate& other) {
      return other.best.algorithm == finalists[i].best.algorithm;
    };
    const auto here = finalists.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(finalists.begin(), here, is_same)) {
      finalists.erase(here);
      return;
    }
  }
}

}  // namespace

std::vector<Measured> time_problem(const conv::Problem& problem, ThreadPool& pool,
                                   double milliseconds) {
  FlushSubnormals flush;
  Bench bench(problem, pool);
  const auto start = Clock::now();
  const auto rows = rows_to_try(problem);
  std::vector<Measured> times;
  std::vector<Candidate> finalists;  // fastest first
  double best_ms = 0;
  const double least_estimate = rows.front()->estimate(problem);
  for (const conv::Row* row : rows) {
    if (row != rows.front() && row->estimate(problem) > kHopelessEstimate * least_estimate)
      continue;
    double first_ms = 0;
    for (const conv::Tuning& tuning : row->tunings(problem)) {
      // Half of the time is for finding candidates; an algorithm's best guess is always run.
      const bool late = ms_since(start) > milliseconds / 2;
      if (first_ms > 0 && (late || first_ms > kHopeless * best_ms)) break;
      Candidate candidate{row->build(problem, tuning), {std::string(row->name), tuning, 0}};
      bench.time(*candidate.algorithm);  // pages and branches
      double& ms = candidate.best.ms;
      ms = bench.time(*candidate.algorithm);
      for (int run = 1; run < kFirstRuns; ++run) {
        if (best_ms > 0 && ms > kInterrupted * best_ms) break;
        ms = std::min(ms, bench.time(*candidate.algorithm));
      }
      if (first_ms == 0) first_ms = ms;
      if (best_ms == 0 || ms < best_ms) best_ms = ms;
      keep_best(times, candidate.best);
      const auto place = std::find_if(finalists.begin(), finalists.end(),
                                      [&](const Candidate& c) { return c.best.ms > ms; });
      finalists.insert(place, std::move(candidate));
      drop_slowest(finalists);
    }
  }
  for (int round = 0; finalists.size() > 1; ++round) {
    if (round >= kFirstRuns && ms_since(start) > milliseconds) break;
    for (Candidate& candidate : finalists) {
      if (candidate.best.ms > kHopeless * best_ms && round >= kFirstRuns) continue;
      candidate.best.ms = std::min(candidate.best.ms, bench.time(*candidate.algorithm));
      best_ms = std::min(best_ms, candidate.best.ms);
    }
  }
  for (const Candidate& candidate : finalists) keep_best(times, candidate.best);
  std::stable_sort(times.begin(), times.end(),
                   [](const Measured& a, const Measured& b) { return a.ms < b.ms; });
  return times;
}

}  // namespace niwaki
