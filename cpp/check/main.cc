// Runs every kernel of this build on random problems against its op's reference, and every
// convolution algorithm against the plain one; and the thread pool.
//
//   niwaki_check [--cases N] [--seed S] [--isa NAME] [--kernel NAME] [--list]
//
// For machines without Python: `make check-arm` runs it under emulation. A kernel whose instruction
// set is missing here is counted and not run; --isa makes that an error, and leaves out the others.
// Exits 1 at the first difference, or when an op has no check.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "check/algorithms.h"
#include "check/check.h"
#include "check/threads.h"

namespace niwaki::check {

std::vector<Row>& rows() {
  static std::vector<Row> all;
  return all;
}

namespace {

struct Options {
  int cases = 100;
  std::uint64_t seed = 1;
  std::string isa, kernel;
  bool list = false;
};

Options read_options(int count, char** words) {
  Options options;
  for (int at = 1; at < count; ++at) {
    const std::string word = words[at];
    const bool has_value = at + 1 < count;
    if (word == "--list") {
      options.list = true;
    } else if (word == "--cases" && has_value) {
      options.cases = std::atoi(words[++at]);
    } else if (word == "--seed" && has_value) {
      options.seed = std::strtoull(words[++at], nullptr, 10);
    } else if (word == "--isa" && has_value) {
      options.isa = words[++at];
    } else if (word == "--kernel" && has_value) {
      options.kernel = words[++at];
    } else {
      std::fprintf(stderr,
                   "usage: %s [--cases N] [--seed S] [--isa NAME] [--kernel NAME] [--list]\n",
                   words[0]);
      std::exit(2);
    }
  }
  return options;
}

const Row* find_row(std::string_view op) {
  for (const Row& row : rows()) {
    if (row.op == op) return &row;
  }
  return nullptr;
}

const KernelEntry* find_reference(std::string_view op) {
  for (const KernelEntry& entry : kernels::all_kernels()) {
    if (entry.op == op && entry.isa == kernels::Isa::reference) return &entry;
  }
  return nullptr;
}

// A new op can't be forgotten: it has a random problem of its own here, or its kernels have just
// run in a convolution algorithm.
bool is_complete(const std::set<std::string>& used) {
  bool complete = true;
  for (const KernelEntry& entry : kernels::all_kernels()) {
    if (find_reference(entry.op) == nullptr) {
      std::printf("op %s has no reference kernel\n", std::string(entry.op).c_str());
      complete = false;
    }
    const bool runs = kernels::is_available(entry.isa) && entry.isa != kernels::Isa::reference;
    if (runs && find_row(entry.op) == nullptr && used.count(std::string(entry.name)) == 0) {
      std::printf("%s was not checked: add a problem of its op, %s, to cpp/check/%s.cc\n",
                  std::string(entry.name).c_str(), std::string(entry.op).c_str(),
                  std::string(entry.family).c_str());
      complete = false;
    }
  }
  return complete;
}

// The name's hash gives each kernel problems of its own, whichever others run.
std::uint64_t seed_of(std::string_view name, std::uint64_t seed, int index) {
  std::uint64_t hash = 0xcbf29ce484222325U ^ seed;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash + static_cast<std::uint64_t>(index) * 0x9e3779b97f4a7c15U;
}

bool check_kernel(const KernelEntry& kernel, const Row* row, const Options& options) {
  const KernelEntry* reference = find_reference(kernel.op);
  for (int index = 0; index < options.cases; ++index) {
    Random random(seed_of(kernel.op, options.seed, index));
    try {
      row->check(kernel, *reference, random);
    } catch (const Difference& difference) {
      std::printf("%s, case %d of seed %llu: %s\n", std::string(kernel.name).c_str(), index,
                  static_cast<unsigned long long>(options.seed), difference.what());
      return false;
    }
  }
  return true;
}

// Returns whether all kernels that were asked for and have a problem agree.
bool check_kernels(const Options& options) {
  std::map<std::string, int> checked, missing;
  bool good = true;
  for (const KernelEntry& kernel : kernels::all_kernels()) {
    const std::string isa = kernels::isa_name(kernel.isa);
    if (kernel.isa == kernels::Isa::reference) continue;
    if (!options.kernel.empty() && kernel.name != options.kernel) continue;
    if (!options.isa.empty() && isa != options.isa) continue;
    if (options.list) std::printf("%s\n", std::string(kernel.name).c_str());
    const Row* row = find_row(kernel.op);
    if (!kernels::is_available(kernel.isa)) {
      ++missing[isa];
    } else if (row != nullptr) {
      good = (options.list || check_kernel(kernel, row, options)) && good;
      ++checked[isa];
    }
  }
  for (const auto& [isa, count] : checked) {
    std::printf("%s: %d kernels, %d cases each%s\n", isa.c_str(), count, options.cases,
                good ? ", equal to the reference" : "");
  }
  for (const auto& [isa, count] : missing) {
    std::printf("%s: %d kernels not run, this CPU hasn't got it\n", isa.c_str(), count);
  }
  if (checked.empty() || (!options.isa.empty() && !missing.empty())) {
    std::printf("nothing was checked of what was asked for\n");
    return false;
  }
  return good;
}

int run(const Options& options) {
  bool good = check_kernels(options);
  const bool whole = options.kernel.empty() && !options.list;
  if (whole) {
    std::set<std::string> used;
    good = check_algorithms(options.cases, options.seed, options.isa, used) && good;
    good = check_threads() && good;
    good = (!options.isa.empty() || is_complete(used)) && good;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace niwaki::check

int main(int count, char** words) {
  return niwaki::check::run(niwaki::check::read_options(count, words));
}
