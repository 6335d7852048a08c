// ConvSparseI16 and ConvDenseI16: activations of u8 or s8 in int16, weights of s8.
#include "conv_i16/conv_i16.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

constexpr std::int64_t kRoom = 100;

struct Planes : Problem {
  using Output = std::int32_t;
  std::int64_t pixels = 0, stride = 0, count = 0;
  std::vector<std::int16_t> input;

  explicit Planes(Random& random)
      : pixels(random.awkward()),
        stride(whole_blocks(pixels) + kPixelBlock * random.integer(0, 1)),
        input(integers<std::int16_t>(random, kRoom + whole_blocks(pixels), -128, 255)) {}
  std::size_t outputs() const { return static_cast<std::size_t>(count * stride); }
  bool compared(std::size_t index) const {
    return static_cast<std::int64_t>(index) % stride < pixels;
  }
};

struct SparseProblem : Planes {
  std::vector<std::int32_t> starts;
  std::vector<SparsePairI16> entries;

  explicit SparseProblem(Random& random) : Planes(random), starts(draw_starts(random)) {
    count = static_cast<std::int64_t>(starts.size()) - 1;
    entries.resize(static_cast<std::size_t>(starts.back()));
    for (auto& entry : entries) {
      for (int k = 0; k < 2; ++k) {
        entry.offset[k] = static_cast<std::int32_t>(random.integer(0, kRoom));
        entry.value[k] = static_cast<std::int16_t>(random.integer(-128, 127));
      }
    }
  }
  void run(const KernelEntry& kernel, std::int32_t* output) const {
    call<ConvSparseI16>(
        kernel, {input.data(), entries.data(), starts.data(), count, pixels, output, stride});
  }
};

struct DenseProblem : Planes {
  std::int64_t pairs;
  std::vector<std::int32_t> offsets;
  std::vector<std::int16_t> weights;

  explicit DenseProblem(Random& random) : Planes(random), pairs(random.integer(0, 20)) {
    count = random.integer(0, 13);
    offsets = integers<std::int32_t>(random, 2 * pairs, 0, kRoom);
    const std::int64_t blocks = (count + kDenseBlock - 1) / kDenseBlock;
    weights.resize(static_cast<std::size_t>(blocks * pairs * kDenseBlock * 2));
    for (std::size_t at = 0; at < weights.size(); ++at) {
      const auto place = static_cast<std::int64_t>(at);
      const std::int64_t block = place / (2 * kDenseBlock * pairs);
      const bool real = block * kDenseBlock + place / 2 % kDenseBlock < count;
      weights[at] = static_cast<std::int16_t>(real ? random.integer(-128, 127) : 0);
    }
  }
  void run(const KernelEntry& kernel, std::int32_t* output) const {
    call<ConvDenseI16>(kernel, {input.data(), offsets.data(), pairs, weights.data(), count, pixels,
                                output, stride});
  }
};

NIWAKI_CHECK(ConvSparseI16, SparseProblem)
NIWAKI_CHECK(ConvDenseI16, DenseProblem)

}  // namespace
}  // namespace niwaki::check
