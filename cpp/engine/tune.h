// Which algorithm runs a float convolution: given by name, measured before, measured now, or the
// least by estimate. docs/choice.md tells it for users.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/conv/conv.h"
#include "engine/json.h"
#include "engine/thread_pool.h"

namespace niwaki {

// How long an algorithm took for one image, at one tuning.
struct Measured {
  std::string algorithm;
  conv::Tuning tuning;
  double ms = 0;
};

// The text under which a problem's times are kept: all that they depend on, and behind '@' the step
// of its density. Layers of one key share their times.
std::string problem_key(const conv::Problem& problem);

// Steps of density are geometric, four to each halving: 0 is 1, 4 is 1/2, 80 is 2^-20 and less.
int density_step(double density);

// Times every algorithm that applies, on memory of its own: activations as many of which are zeros
// as the problem says, and caches as the layer before would leave them. Runs take turns; the least
// time of each algorithm's best tuning is returned, fastest first. `milliseconds` is the time to
// spend, roughly: each algorithm that might win is run at least once.
std::vector<Measured> time_problem(const conv::Problem& problem, ThreadPool& pool,
                                   double milliseconds);

// This processor's name as the system gives it; "" where it doesn't.
std::string cpu_name();

// How an engine's convolutions are chosen while it is built.
class Chooser {
 public:
  // `choices` is JSON, "" or
  //   {"activations": {name: share of the layer's inputs that aren't zero, where measured},
  //    "layers": {name: {"algorithm": .., "tuning": {..}}},
  //    "problems": {key: [{"algorithm": .., "tuning": {..}, "ms": ..}, ..]}}
  // Throws Error (kFormat, kRegistry).
  explicit Chooser(std::string_view choices);

  // Times that a file remembers: {"cpu": name, "problems": {key: [..]}}, as `problems` above. Taken
  // where this is that processor; what is known already stays. Throws Error (kFormat).
  void remember(const Json& json);

  // A layer by name first (Error kUnsupportedOp where the algorithm doesn't apply), then what was
  // measured at the same step of density, then (where `tune_ms` > 0) what is measured now, then
  // what was measured at most kTolerance steps away, then the least estimate.
  conv::Choice choose(const std::string& layer, const conv::Problem& problem);

  double tune_ms = 0;          // to spend on each problem that isn't known
  ThreadPool* pool = nullptr;  // to measure with
  std::function<void(const std::string& layer)> on_tune;  // before a layer is measured

  // The times that decided, by key, whether known before or measured now.
  const std::map<std::string, std::vector<Measured>>& used() const { return used_; }

  // What was measured, by key.
  const std::map<std::string, std::vector<Measured>>& measured() const { return measured_; }

 private:
  const std::vector<Measured>* find(const std::string& base, int step, int tolerance) const;

  std::map<std::string, double> activations_;
  std::map<std::string, Measured> layers_;
  std::map<std::string, std::vector<Measured>> problems_;
  std::map<std::string, std::vector<Measured>> measured_;
  std::map<std::string, std::vector<Measured>> used_;
};

// How many steps of density a measured problem may be away from the one it decides for.
inline constexpr int kTolerance = 2;

}  // namespace niwaki
