// Mutates small .nwk files in memory, loads each and runs those that load. Meant for a build with
// sanitizers (`make fuzz`).
//
//   niwaki_fuzz SEEDS FINDINGS COUNT [FIRST]     mutants FIRST .. FIRST + COUNT of a folder's files
//   niwaki_fuzz --file FILE                      one file, as it is
//
// Mutant n depends on n and the seeds alone. A finding is a crash or a sanitizer's report, an
// exception that isn't niwaki::Error, damage without a new hash that isn't a FormatError, more than
// a second of CPU time, or more than 256 MiB. Its file is written to FINDINGS; the exit code is 1.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "engine/engine.h"
#include "engine/error.h"
#include "fuzz/mutate.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace niwaki::fuzz {
namespace {

constexpr double kMostSeconds = 1;
constexpr long kMostKilobytes = 256 * 1024;
constexpr unsigned kHangSeconds = 20;
constexpr double kRunMacs = 3e6;  // what a mutant may cost to be run, too
constexpr std::size_t kRunBytes = 16 << 20;

// What a crash leaves behind.
std::string current_file;
char current_path[4096];

void save_current() {
  if (current_path[0] == '\0') return;
  std::FILE* out = std::fopen(current_path, "wb");
  if (out == nullptr) return;
  std::fwrite(current_file.data(), 1, current_file.size(), out);
  std::fclose(out);
  std::fprintf(stderr, "the file is %s\n", current_path);
}

void on_signal(int signal) {
  std::fprintf(stderr, "signal %d\n", signal);
  save_current();
  _exit(1);
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void run_once(const Engine& engine, Random& random) {
  const Program& program = engine.program();
  double macs = 0;
  for (std::size_t layer = 0; layer < program.layers.size(); ++layer) {
    const Step& step = engine.step(static_cast<int>(layer));
    macs += static_cast<double>(step.macs) + static_cast<double>(step.binary_macs) / 64;
  }
  const int64_t images = random.chance(0.3) ? random.integer(2, 5) : 1;
  std::size_t bytes = engine.memory_bytes();
  for (const Value& value : program.values) bytes += value.bytes();
  macs *= static_cast<double>(images);
  bytes *= static_cast<std::size_t>(images);
  if (macs > kRunMacs || bytes > kRunBytes) return;
  std::vector<std::vector<std::uint8_t>> values;
  std::vector<const std::uint8_t*> inputs;
  std::vector<Wanted> wanted;
  const auto room = [&](int id) {
    values.emplace_back(program.values[static_cast<std::size_t>(id)].bytes() *
                        static_cast<std::size_t>(images));
    return values.back().data();
  };
  values.reserve(program.inputs.size() + program.outputs.size());
  for (const int id : program.inputs) {
    std::uint8_t* data = room(id);
    for (std::size_t at = 0; at + 4 <= values.back().size(); at += 4) {
      const float x = random.chance(0.01) ? NAN : 4 * random.real();
      std::memcpy(data + at, &x, sizeof(x));
    }
    inputs.push_back(data);
  }
  for (const int id : program.outputs) wanted.push_back({id, room(id)});
  engine.run(inputs, images, wanted);
}

// Loads a file, and runs it where that is cheap. Returns what came of it: "loaded", or the kind of
// the Error ("layer": a FormatError about a layer).
std::string try_file(const std::string& file, Random& random) {
  AlignedBytes bytes(file.size());
  if (!file.empty()) std::memcpy(bytes.data(), file.data(), file.size());
  try {
    EngineOptions options;
    if (random.chance(0.3)) options.isa = "portable";
    if (random.chance(0.5)) options.threads = static_cast<int>(random.integer(2, 3));  // on halves
    options.bands = random.chance(0.1);
    const Engine engine(parse_container(std::move(bytes), "fuzz.nwk"), options);
    run_once(engine, random);
    return "loaded";
  } catch (const Error& error) {
    const char* names[] = {"format",         "shape", "value domain",
                           "unsupported op", "input", "registry"};
    // What a layer says of itself shows how deep the mutants reach.
    if (error.kind == ErrorKind::kFormat && error.must.rfind("layer ", 0) == 0) return "layer";
    return names[static_cast<int>(error.kind)];
  }
}

struct Finding {
  std::string what;
};

// Throws Finding.
std::string check_file(const std::string& file, bool damaged, Random& random) {
  current_file = file;
  alarm(kHangSeconds);
  const double begin = cpu_seconds();
  std::string outcome;
  try {
    outcome = try_file(file, random);
  } catch (const std::exception& error) {
    throw Finding{std::string("not a niwaki::Error: ") + error.what()};
  }
  const double spent = cpu_seconds() - begin;
  alarm(0);
  if (spent > kMostSeconds) throw Finding{"took " + std::to_string(spent) + " s"};
  if (damaged && outcome != "format") throw Finding{"damage must be a FormatError, got " + outcome};
  return outcome;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string make_mutant(const std::vector<std::string>& files, const std::vector<Parts>& seeds,
                        Random& random, bool& damaged) {
  const auto last = static_cast<std::int64_t>(seeds.size()) - 1;
  const auto pick = static_cast<std::size_t>(random.integer(0, last));
  damaged = random.chance(0.05);
  if (damaged) {
    std::string file = damage(files[pick], random);
    damaged = file != files[pick];
    return file;
  }
  Parts parts = seeds[pick];
  const bool outer = random.chance(0.1);
  if (!outer || random.chance(0.5)) {
    mutate(parts, seeds[static_cast<std::size_t>(random.integer(0, last))], random);
  }
  return put_together(parts, outer ? &random : nullptr);
}

int fuzz(const std::filesystem::path& folder, const std::filesystem::path& findings,
         std::uint64_t count, std::uint64_t first) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".nwk") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> files;
  std::vector<Parts> seeds;
  for (const auto& path : paths) {
    files.push_back(read_file(path));
    seeds.push_back(take_apart(files.back()));
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "no .nwk files in %s\n", folder.c_str());
    return 2;
  }
  std::filesystem::create_directories(findings);
  std::map<std::string, std::uint64_t> outcomes;
  std::uint64_t found = 0;
  const double begin = cpu_seconds();
  const long before = peak_kilobytes();
  for (std::uint64_t n = first; n < first + count; ++n) {
    Random random(n * 0x9e3779b97f4a7c15U + 1);
    bool damaged = false;
    const std::string file = make_mutant(files, seeds, random, damaged);
    std::snprintf(current_path, sizeof(current_path), "%s/mutant-%llu.nwk", findings.c_str(),
                  static_cast<unsigned long long>(n));
    try {
      ++outcomes[check_file(file, damaged, random)];
      if (peak_kilobytes() - before > kMostKilobytes) {
        std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts anew
        throw Finding{"took more than 256 MiB"};
      }
    } catch (const Finding& finding) {
      ++found;
      std::printf("mutant %llu: %s\n", static_cast<unsigned long long>(n), finding.what.c_str());
      save_current();
    }
  }
  std::printf("%llu mutants of %zu files in %.0f s of CPU, peak %ld MiB:",
              static_cast<unsigned long long>(count), seeds.size(), cpu_seconds() - begin,
              peak_kilobytes() / 1024);
  for (const auto& [outcome, times] : outcomes) {
    std::printf(" %s %llu,", outcome.c_str(), static_cast<unsigned long long>(times));
  }
  std::printf(" findings %llu\n", static_cast<unsigned long long>(found));
  return found == 0 ? 0 : 1;
}

int run_file(const char* path) {
  Random random(1);
  try {
    std::printf("%s: %s\n", path, check_file(read_file(path), false, random).c_str());
    std::printf("peak %ld MiB\n", peak_kilobytes() / 1024);
    return 0;
  } catch (const Finding& finding) {
    std::printf("%s: %s\n", path, finding.what.c_str());
    return 1;
  }
}

}  // namespace
}  // namespace niwaki::fuzz

int main(int count, char** words) {
  using namespace niwaki::fuzz;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  for (const int signal : {SIGALRM, SIGABRT}) std::signal(signal, on_signal);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(save_current);
#else
  for (const int signal : {SIGSEGV, SIGFPE, SIGILL, SIGBUS}) std::signal(signal, on_signal);
#endif
  if (count == 3 && std::string(words[1]) == "--file") return run_file(words[2]);
  if (count != 4 && count != 5) {
    std::fprintf(stderr, "usage: %s SEEDS FINDINGS COUNT [FIRST] | --file FILE\n", words[0]);
    return 2;
  }
  return fuzz(words[1], words[2], std::strtoull(words[3], nullptr, 10),
              count == 5 ? std::strtoull(words[4], nullptr, 10) : 0);
}
