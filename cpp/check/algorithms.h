// The convolution algorithms of engine/conv against its "reference", as the kernels.
#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace niwaki::check {

// Runs `cases` random problems through every algorithm, on every instruction set of this CPU (or
// only `isa`, unless empty) and with each of its tunings. Prints a line for each algorithm; returns
// whether all agree. `used` gets the names of the kernels that ran.
bool check_algorithms(int cases, std::uint64_t seed, const std::string& isa,
                      std::set<std::string>& used);

}  // namespace niwaki::check
