#include <cassert>
#include <limits>

#include "engine/conv/conv.h"
#include "engine/text.h"

namespace niwaki::conv {

#define NIWAKI_CONV_ALGORITHM(name) Row row_of_##name();
#include "engine/conv/algorithms.inc"
#undef NIWAKI_CONV_ALGORITHM

std::span<const Row> all_algorithms() {
  static const std::vector<Row> rows = {
#define NIWAKI_CONV_ALGORITHM(name) row_of_##name(),
#include "engine/conv/algorithms.inc"
#undef NIWAKI_CONV_ALGORITHM
  };
  return rows;
}

const Row* find_algorithm(std::string_view name) {
  for (const Row& row : all_algorithms()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

Choice choose_by_estimate(const Problem& problem) {
  Choice best;
  double least = std::numeric_limits<double>::infinity();
  for (const Row& row : all_algorithms()) {
    if (!row.applies(problem)) continue;
    const double estimate = row.estimate(problem);
    if (best.row == nullptr || estimate < least) {
      best.row = &row;
      least = estimate;
    }
  }
  best.tuning = best.row->tunings(problem).front();  // "reference" applies to every problem
  best.reason = "least by estimate";
  return best;
}

double Problem::multiplications() const {
  return static_cast<double>(output.channels) * static_cast<double>(output.height * output.width) *
         static_cast<double>(row_size());
}

int tuned(const Tuning& tuning, std::string_view key, int fallback) {
  for (const auto& [name, value] : tuning) {
    if (name == key) return value;
  }
  return fallback;
}

std::string tuning_text(const Tuning& tuning) {
  std::string text;
  for (const auto& [name, value] : tuning) {
    text += concat(text.empty() ? "" : " ", name, "=", value);
  }
  return text;
}

// Only called where bands() says yes, and then overridden.
void Algorithm::run_rows(const Call&, int64_t, int64_t, uint8_t*) const { assert(false); }
void Algorithm::run_range(const Call&, int64_t, int64_t, uint8_t*) const { assert(false); }

}  // namespace niwaki::conv
