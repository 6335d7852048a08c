#include "engine/roofline.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "roofline/roofline.h"

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

const kernels::RooflineLoops& loops_of(kernels::Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case kernels::Isa::x86_avx512:
      return kernels::kRooflineAvx512;
    case kernels::Isa::x86_avx2:
      return kernels::kRooflineAvx2;
#endif
#if defined(__aarch64__)
    case kernels::Isa::arm_neon:
      return kernels::kRooflineNeon;
#endif
    default:
      return kernels::kRooflinePortable;
  }
}

// The least seconds of `run` over some repetitions: short ones, so that most are undisturbed.
template <class Run>
double least_seconds(int repetitions, const Run& run) {
  volatile float sink = run();  // warm: caches, page faults, clock
  double least = 1e9;
  for (int k = 0; k < repetitions; ++k) {
    const Clock::time_point start = Clock::now();
    sink = run();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
  }
  static_cast<void>(sink);
  return least;
}

// Bytes a second, in 1e9, of reading that many floats.
double read_rate(const kernels::RooflineLoops& loops, const float* data, int64_t floats) {
  const int64_t rounds = std::max<int64_t>(1, (1 << 19) / floats);
  const int repetitions = floats > (1 << 22) ? 3 : 40;
  const double seconds =
      least_seconds(repetitions, [&] { return loops.read(data, floats, rounds); });
  return static_cast<double>(floats * rounds) * sizeof(float) / seconds / 1e9;
}

}  // namespace

Roofline measure_roofline(kernels::Isa isa) {
  constexpr int64_t kNear = 16 * kernels::kRooflineStep;  // 8 KiB
  constexpr int64_t kL2 = 1 << 16, kL3 = 1 << 20, kMemory = 3 << 23;
  constexpr int64_t kLine = 16;
  constexpr int kRepetitions = 300;
  const kernels::RooflineLoops& loops = loops_of(isa);
  std::vector<float> buffer(kMemory + 2 * kLine, 1.0F);
  const auto address = reinterpret_cast<uintptr_t>(buffer.data());
  const float* data = buffer.data() + (64 - address % 64) % 64 / sizeof(float);

  Roofline roofs{};
  constexpr int64_t kRounds = 2000;
  const double vectors = static_cast<double>(kRounds * loops.fma_vectors * loops.lanes);
  roofs.fma_gmacs = vectors / least_seconds(kRepetitions, [&] { return loops.fma(kRounds); }) / 1e9;
  const double bits = static_cast<double>(kRounds * loops.bit_words * 64);
  roofs.bits_gmacs = bits / least_seconds(kRepetitions, [&] { return loops.bits(kRounds); }) / 1e9;
  constexpr int64_t kLoadRounds = 32;
  const auto loaded = static_cast<double>(kNear * kLoadRounds);
  const auto load_rate = [&](const float* from) {
    return loaded / 1e9 /
           least_seconds(kRepetitions, [&] { return loops.load(from, kNear, kLoadRounds); });
  };
  roofs.load_gmacs = load_rate(data + 1);
  roofs.load_aligned_gmacs = load_rate(data);
  roofs.l2_gb = read_rate(loops, data, kL2);
  roofs.l3_gb = read_rate(loops, data, kL3);
  roofs.memory_gb = read_rate(loops, data, kMemory);
  return roofs;
}

}  // namespace niwaki
