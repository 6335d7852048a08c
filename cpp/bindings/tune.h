// Measured times and tunings as Python sees them.
#pragma once

#include <nanobind/nanobind.h>

#include <vector>

#include "engine/tune.h"

namespace niwaki {

nanobind::dict tuning_dict(const conv::Tuning& tuning);

// [{"algorithm": name, "tuning": {key: value}, "ms": milliseconds}, ...]
nanobind::list times_list(const std::vector<Measured>& times);

}  // namespace niwaki
