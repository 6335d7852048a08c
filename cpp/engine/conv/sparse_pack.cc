#include "engine/conv/sparse_pack.h"

#include <algorithm>
#include <cstring>

namespace niwaki::conv {
namespace {

constexpr int64_t kLine = 16;  // floats
constexpr int64_t kGrid = 8;   // loads at multiples of half a line are nearly as fast as at lines

}  // namespace

SparsePack::SparsePack(const Problem& problem, const Phases& phases, int64_t tile, int64_t block)
    : block_(std::max<int64_t>(block, 1)), input_channel_(phases.channel()) {
  std::vector<int64_t> taps;
  for (int64_t i = 0; i < problem.window.kernel_h; ++i) {
    for (int64_t j = 0; j < problem.window.kernel_w; ++j) taps.push_back(phases.tap(i, j));
  }
  std::sort(taps.begin(), taps.end());
  taps.erase(std::unique(taps.begin(), taps.end()), taps.end());
  for (const int64_t tap : taps) {
    pays_ = pays_ || tap % kGrid != 0;
    // Longer copies pay as long as they are shorter than one more.
    const auto found = std::find_if(copies_.begin(), copies_.end(), [&](const Copy& copy) {
      return (tap - copy.first) % kGrid == 0 && tap - copy.first - copy.span <= tile;
    });
    if (found == copies_.end()) {
      copies_.push_back({tap, 0, 0});
    } else {
      found->span = tap - found->first;
    }
  }
  for (Copy& copy : copies_) {
    copy.at = channel_;
    channel_ += (tile + copy.span + kLine - 1) / kLine * kLine;
  }
}

int64_t SparsePack::offset(int64_t c, int64_t tap) const {
  const auto found = std::find_if(copies_.begin(), copies_.end(), [&](const Copy& copy) {
    const int64_t behind = tap - copy.first;
    return behind >= 0 && behind <= copy.span && behind % kGrid == 0;
  });
  return c % block_ * channel_ + found->at + tap - found->first;
}

void SparsePack::copy(const float* input, int64_t channels, int64_t floats, float* scratch) const {
  for (int64_t c = 0; c < channels; ++c) {
    const float* from = input + c * input_channel_;
    float* to = scratch + c * channel_;
    for (const Copy& each : copies_) {
      std::memcpy(to + each.at, from + each.first,
                  static_cast<size_t>(floats + each.span) * sizeof(float));
    }
  }
}

}  // namespace niwaki::conv
