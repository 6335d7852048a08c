// Measured times and tunings as Python sees them.
#pragma once

#include <nanobind/nanobind.h>

#include <map>
#include <string>
#include <vector>

#include "engine/tune.h"

namespace niwaki {

nanobind::dict tuning_dict(const conv::Tuning& tuning);

// [{"algorithm": name, "tuning": {key: value}, "ms": milliseconds}, ...]
nanobind::list times_list(const std::vector<Measured>& times);

// {key: times_list}
nanobind::dict times_dict(const std::map<std::string, std::vector<Measured>>& times);

}  // namespace niwaki
