// ConvSparseF32 and ConvDenseF32.
#include "conv_f32/conv_f32.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

constexpr std::int64_t kRoom = 100;  // the farthest tap

// Planes of accumulators: pixels behind the last one are free.
struct Planes : Problem {
  using Output = float;
  static constexpr bool kExact = false;
  std::int64_t pixels = 0, stride = 0, count = 0;
  std::vector<float> input;

  explicit Planes(Random& random)
      : pixels(random.awkward()),
        stride(whole_blocks(pixels) + kPixelBlock * random.integer(0, 1)),
        input(reals(random, kRoom + whole_blocks(pixels))) {}
  std::size_t outputs() const { return static_cast<std::size_t>(count * stride); }
  bool compared(std::size_t index) const {
    return static_cast<std::int64_t>(index) % stride < pixels;
  }
};

struct SparseProblem : Planes {
  std::vector<std::int32_t> starts;
  std::vector<SparseEntryF32> entries;

  explicit SparseProblem(Random& random) : Planes(random), starts(draw_starts(random)) {
    count = static_cast<std::int64_t>(starts.size()) - 1;
    entries.resize(static_cast<std::size_t>(starts.back()));
    for (auto& entry : entries) {
      entry = {static_cast<std::int32_t>(random.integer(0, kRoom)), random.real()};
    }
  }
  void run(const KernelEntry& kernel, float* output) const {
    call<ConvSparseF32>(
        kernel, {input.data(), entries.data(), starts.data(), count, pixels, output, stride});
  }
  void make_absolute() {
    take_absolute(input);
    for (auto& entry : entries) entry.value = std::abs(entry.value);
  }
};

struct DenseProblem : Planes {
  std::vector<std::int32_t> offsets;
  std::vector<float> weights;  // whole blocks; those behind the last output stay zero

  explicit DenseProblem(Random& random) : Planes(random) {
    count = random.integer(0, 13);
    offsets = integers<std::int32_t>(random, random.integer(0, 40), 0, kRoom);
    const auto taps = static_cast<std::int64_t>(offsets.size());
    weights.resize(
        static_cast<std::size_t>((count + kDenseBlock - 1) / kDenseBlock * kDenseBlock * taps));
    for (std::int64_t o = 0; o < count; ++o) {
      for (std::int64_t t = 0; t < taps; ++t) {
        weights[static_cast<std::size_t>((o / kDenseBlock * taps + t) * kDenseBlock +
                                         o % kDenseBlock)] = random.real();
      }
    }
  }
  void run(const KernelEntry& kernel, float* output) const {
    call<ConvDenseF32>(kernel,
                       {input.data(), offsets.data(), static_cast<std::int64_t>(offsets.size()),
                        weights.data(), count, pixels, output, stride});
  }
  void make_absolute() {
    take_absolute(input);
    take_absolute(weights);
  }
};

NIWAKI_CHECK(ConvSparseF32, SparseProblem)
NIWAKI_CHECK(ConvDenseF32, DenseProblem)

}  // namespace
}  // namespace niwaki::check
