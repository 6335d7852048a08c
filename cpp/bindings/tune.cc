#include "bindings/tune.h"

namespace niwaki {

namespace nb = nanobind;

nb::dict tuning_dict(const conv::Tuning& tuning) {
  nb::dict result;
  for (const auto& [key, value] : tuning) result[key.c_str()] = value;
  return result;
}

nb::list times_list(const std::vector<Measured>& times) {
  nb::list result;
  for (const Measured& time : times) {
    nb::dict row;
    row["algorithm"] = nb::str(time.algorithm.c_str());
    row["tuning"] = tuning_dict(time.tuning);
    row["ms"] = time.ms;
    result.append(row);
  }
  return result;
}

nb::dict times_dict(const std::map<std::string, std::vector<Measured>>& times) {
  nb::dict result;
  for (const auto& [key, rows] : times) result[key.c_str()] = times_list(rows);
  return result;
}

}  // namespace niwaki
