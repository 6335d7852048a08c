#include "engine/tune.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "engine/error.h"
#include "engine/text.h"

namespace niwaki {
namespace {

const char* kWhere = "choices";

[[noreturn]] void refuse(const std::string& must, const std::string& got) {
  throw Error(ErrorKind::kFormat, kWhere, must, got);
}

// {"algorithm": name, "tuning": {key: whole number}, "ms": milliseconds}; the last two may be left
// out.
Measured read_row(const Json& json) {
  Measured row;
  const Json* name = json.find("algorithm");
  if (name == nullptr || !name->is_string()) {
    refuse("a choice must name its algorithm", json.describe());
  }
  row.algorithm = name->string();
  if (const Json* tuning = json.find("tuning")) {
    if (!tuning->is_object()) refuse("a tuning must be an object", tuning->describe());
    for (size_t i = 0; i < tuning->keys().size(); ++i) {
      const Json& value = tuning->array()[i];
      if (!value.is_integer() || value.integer() < -1'000'000 || value.integer() > 1'000'000) {
        refuse("a tuning's values must be whole numbers up to a million", value.describe());
      }
      row.tuning.emplace_back(tuning->keys()[i], static_cast<int>(value.integer()));
    }
  }
  if (const Json* ms = json.find("ms")) {
    if (!ms->is_number() || !(ms->number() >= 0)) refuse("ms must be a time", ms->describe());
    row.ms = ms->number();
  }
  return row;
}

// Tell whether each four output channels that follow each other have their weights at the same
// positions: then a kernel can share the activations that it loads.
bool is_blocks_of_four(const conv::Problem& problem) {
  const EntryLists& lists = *problem.weights;
  const int64_t outputs = problem.output.channels;
  if (problem.density >= 1 || outputs % 4 != 0 || problem.outputs_per_group() % 4 != 0)
    return false;
  const auto same = [](const Entry& a, const Entry& b) { return a.position == b.position; };
  for (int64_t o = 0; o < outputs; ++o) {
    if (o % 4 == 0) continue;
    const Entry* entries = lists.entries.data();
    if (!std::equal(entries + lists.starts[o - 1], entries + lists.starts[o],
                    entries + lists.starts[o], entries + lists.starts[o + 1], same)) {
      return false;
    }
  }
  return true;
}

std::map<std::string, std::vector<Measured>> read_problems(const Json& json) {
  std::map<std::string, std::vector<Measured>> problems;
  for (size_t i = 0; i < json.keys().size(); ++i) {
    const Json& rows = json.array()[i];
    if (!rows.is_array()) refuse("a problem must have an array of times", rows.describe());
    auto& times = problems[json.keys()[i]];
    for (const Json& row : rows.array()) times.push_back(read_row(row));
  }
  return problems;
}

std::string ms_text(double ms) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g ms", ms);
  return text;
}

// "measured: sparse 0.11 ms, direct 0.52 ms".
std::string reason_of(const std::string& how, const std::vector<Measured>& times) {
  std::string text = how;
  const char* between = ": ";
  for (const Measured& time : times) {
    text += concat(between, time.algorithm, " ", ms_text(time.ms));
    between = ", ";
  }
  return text;
}

// The fastest of those that this build has and that apply; row is nullptr without one.
conv::Choice fastest(const std::vector<Measured>& times, const conv::Problem& problem) {
  conv::Choice best;
  double least = 0;
  for (const Measured& time : times) {
    const conv::Row* row = conv::find_algorithm(time.algorithm);
    if (row == nullptr || !row->applies(problem)) continue;
    if (best.row != nullptr && time.ms >= least) continue;
    best.row = row;
    best.tuning = time.tuning;
    least = time.ms;
  }
  return best;
}

}  // namespace

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(':');
    if (line.rfind("model name", 0) != 0 || colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    const size_t end = line.find_last_not_of(" \t");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

int density_step(double density) {
  constexpr int kLast = 80;
  if (!(density > 0)) return kLast;
  return static_cast<int>(
      std::clamp(std::floor(-4 * std::log2(density) + 0.5), 0.0, double{kLast}));
}

std::string problem_key(const conv::Problem& problem) {
  const kernels::Planes &in = problem.input, &out = problem.output;
  const kernels::Window& w = problem.window;
  const bool in_place = kernels::taps_lie_in_place(in, out, w);
  // Coarser than the weights' steps: halvings.
  const std::string activations = problem.activation_density < 1
                                      ? concat(" a", density_step(problem.activation_density) / 4)
                                      : std::string();
  return concat("conv ", in.channels, "x", in.height, "x", in.width, ">", out.channels, " k",
                w.kernel_h, "x", w.kernel_w, " s", w.stride_h, "x", w.stride_w, " p", w.pad_top,
                ",", w.pad_left, ",", w.pad_bottom, ",", w.pad_right, " d", w.dilation_h, "x",
                w.dilation_w, " g", problem.groups, " row", in.row, ">", out.row,
                in_place ? " in-place" : " copied", " r", problem.has_residual ? 1 : 0, " t",
                problem.threads, activations, " ", kernels::isa_name(problem.isa),
                is_blocks_of_four(problem) ? " 4x1@" : " unstructured@",
                density_step(problem.density));
}

Chooser::Chooser(std::string_view choices) {
  if (choices.empty()) return;
  const Json json = Json::parse(choices, kWhere);
  const auto part = [&](const char* name) -> const Json* {
    const Json* found = json.find(name);
    if (found != nullptr && !found->is_object()) {
      refuse(concat(name, " must be an object"), found->describe());
    }
    return found;
  };
  if (const Json* activations = part("activations")) {
    for (size_t i = 0; i < activations->keys().size(); ++i) {
      const Json& share = activations->array()[i];
      if (!share.is_number() || !(share.number() >= 0 && share.number() <= 1)) {
        refuse("an activation density must be in [0, 1]", share.describe());
      }
      activations_[activations->keys()[i]] = share.number();
    }
  }
  if (const Json* layers = part("layers")) {
    for (size_t i = 0; i < layers->keys().size(); ++i) {
      layers_[layers->keys()[i]] = read_row(layers->array()[i]);
    }
  }
  if (const Json* problems = part("problems")) {
    problems_ = read_problems(*problems);
  }
}

void Chooser::remember(const Json& json) {
  const Json* cpu = json.find("cpu");
  const Json* problems = json.find("problems");
  if (cpu == nullptr || !cpu->is_string() || problems == nullptr || !problems->is_object()) {
    refuse("remembered choices must hold a cpu's name and problems", json.describe());
  }
  auto read = read_problems(*problems);
  if (!cpu->string().empty() && cpu->string() == cpu_name()) problems_.merge(read);
}

const std::vector<Measured>* Chooser::find(const std::string& base, int step, int tolerance) const {
  for (int away = 0; away <= tolerance; ++away) {
    for (int candidate : {step - away, step + away}) {
      const std::string key = concat(base, candidate);
      for (const auto* known : {&measured_, &problems_}) {
        const auto found = known->find(key);
        if (found != known->end() && !found->second.empty()) return &found->second;
      }
    }
  }
  return nullptr;
}

conv::Choice Chooser::choose(const std::string& layer, const conv::Problem& given_problem) {
  conv::Problem problem = given_problem;
  if (const auto found = activations_.find(layer); found != activations_.end()) {
    problem.activation_density = found->second;
  }
  if (const auto given = layers_.find(layer); given != layers_.end()) {
    const Measured& wish = given->second;
    const conv::Row* row = conv::find_algorithm(wish.algorithm);
    if (row == nullptr) {
      throw Error(ErrorKind::kRegistry, layer, "the algorithm must be one of this build's",
                  wish.algorithm);
    }
    if (!row->applies(problem)) {
      throw Error(ErrorKind::kUnsupportedOp, layer, "the algorithm must apply to the layer",
                  problem.is_half ? concat(wish.algorithm, " on halves of ", problem.output.height,
                                           " rows, as several threads run it")
                                  : wish.algorithm,
                  "Leave this layer's choice to the engine");
    }
    return {row, wish.tuning, "given"};
  }
  if (problems_.empty() && tune_ms <= 0) return conv::choose_by_estimate(problem);
  const std::string key = problem_key(problem);
  const std::string base = key.substr(0, key.rfind('@') + 1);
  const int step = density_step(problem.density);
  const std::vector<Measured>* times = find(base, step, 0);
  std::string how = "measured";
  if (times == nullptr && tune_ms > 0 && pool != nullptr) {
    if (on_tune) on_tune(layer);
    times = &(measured_[key] = time_problem(problem, *pool, tune_ms));
  }
  if (times == nullptr) {
    times = find(base, step, kTolerance);
    how = "measured at a like density";
  }
  if (times != nullptr) {
    conv::Choice choice = fastest(*times, problem);
    choice.reason = reason_of(how, *times);
    if (choice.row != nullptr) {
      used_[key] = *times;
      return choice;
    }
  }
  return conv::choose_by_estimate(problem);
}

}  // namespace niwaki
