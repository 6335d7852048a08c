#include "engine/binary_slices.h"

#include <algorithm>
#include <bit>

#include "engine/ops.h"

namespace niwaki {

using namespace kernels;

namespace {

constexpr int64_t kSmallWords = 4;  // 256 pixels: the least vector of the fast kernels
// Share of a tile's bits that must be pixels: below it popcounts have less to do.
constexpr double kLeastShare = 0.5;
// Groups of 4 take in fewer slices, but have 15 classes to begin and join.
constexpr int64_t kManyInputs = 1000;
constexpr int64_t kMostWords = int64_t{1} << 26;  // of slices in memory

bool lies_as_shifts(const BinaryWindow& window, const Window& pads, int64_t row) {
  if (window.stride_h != 1 || window.stride_w != 1) return false;
  return window.padded_w - row <= std::min(pads.pad_left, pads.pad_right);
}

}  // namespace

std::unique_ptr<BinarySlices> BinarySlices::make(const KernelChoice& choice,
                                                 const BinaryWindow& window, const Window& pads,
                                                 int64_t channels, const Planes& planes,
                                                 const Tensor& weight) {
  if (choice.isa() == Isa::reference) return nullptr;
  auto made = std::make_unique<BinarySlices>();
  SliceGeometry& geometry = made->geometry_;
  geometry = {window, channels, planes.row, kMostSliceWords};
  if (geometry.positions() <= 64 * kSmallWords) geometry.slice_words = kSmallWords;
  // In this order no product wraps: a layer's padded image and outputs' weights are known small.
  const int64_t taps = window.kernel_h * window.kernel_w;
  const int64_t most = UINT16_MAX / geometry.slice_words;
  if (taps > most || channels > most / taps) return nullptr;
  const auto bits = static_cast<double>(geometry.tiles() * geometry.slice_words * 64);
  if (static_cast<double>(window.out_height * window.out_width) < kLeastShare * bits) {
    return nullptr;
  }
  made->kept_ = choice.threads() == 1 ? 1 : geometry.tiles();
  if (made->kept_ > kMostWords / geometry.words()) return nullptr;
  made->shifts_ = lies_as_shifts(window, pads, planes.row);
  // Fetched tap by tap, slices cost what they save where popcounts are an instruction.
  if (!made->shifts_ && choice.isa() == Isa::x86_avx512) return nullptr;
  made->outputs_ = planes.channels;
  made->output_stride_ = planes.plane;
  made->group_ = geometry.inputs() >= kManyInputs ? kMostGroup : 2;
  made->pack(weight);
  made->base_ = choice.choose<SliceBase>();
  made->bits_ = choice.choose<SliceBits>();
  made->ones_ = choice.choose<SliceOnes>();
  made->adders_ = choice.choose<SlicesB1>();
  return made;
}

void BinarySlices::pack(const Tensor& weight) {
  const auto* words = weight.as<uint64_t>();
  const int64_t inputs = geometry_.inputs();
  const int64_t per_pixel = geometry_.window.words;
  const auto is_plus = [&](int64_t output, int64_t q) {
    const int64_t c = q % geometry_.channels;
    const int64_t place = output * inputs / geometry_.channels + q / geometry_.channels;
    return (words[place * per_pixel + c / 64] >> (c % 64) & 1) != 0;
  };
  int64_t most = 0;  // +1 weights of an output
  for (int64_t first = 0; first < outputs_; first += group_) {
    const int64_t size = std::min(group_, outputs_ - first);
    std::vector<std::vector<uint16_t>> classes(size_t{1} << group_);
    std::vector<int64_t> plus(static_cast<size_t>(size), 0);
    for (int64_t q = 0; q < inputs; ++q) {
      size_t which = 0;
      for (int64_t k = 0; k < size; ++k) {
        if (!is_plus(first + k, q)) continue;
        which |= size_t{1} << k;
        ++plus[static_cast<size_t>(k)];
      }
      if (which != 0) classes[which].push_back(static_cast<uint16_t>(q * geometry_.slice_words));
    }
    most = std::max(most, *std::max_element(plus.begin(), plus.end()));
    starts_.push_back(static_cast<int64_t>(inputs_.size()));
    for (const auto& each : classes) {
      counts_.push_back(static_cast<int32_t>(each.size()));
      inputs_.insert(inputs_.end(), each.begin(), each.end());
    }
  }
  planes_ = std::max<int64_t>(std::bit_width(static_cast<uint64_t>(most)), 1);
  for (int64_t q = 0; q < inputs; ++q) {
    all_.push_back(static_cast<uint16_t>(q * geometry_.slice_words));
  }
}

bool BinarySlices::read_floats(const KernelChoice& choice, const Window& pads, const Planes& planes,
                               const int8_t* sign, const float* level) {
  if (!shifts_ || planes.row != geometry_.row || planes.width + pads.pad_left > planes.row) {
    return false;
  }
  const int64_t before = pads.pad_top * planes.row + pads.pad_left;
  first_word_ = (before + 63) / 64;
  lead_ = first_word_ * 64 - before;
  floats_ = planes;
  mask_ = pixel_mask(planes);
  sign_ = sign;
  level_ = level;
  threshold_ = choice.choose<SliceThreshold>();
  return true;
}

namespace {

size_t bytes_of(int64_t count, size_t size) {
  return align_bytes(static_cast<size_t>(count) * size);
}

}  // namespace

// Scratch: slices, ones, base.
uint64_t* BinarySlices::slices(const Call& call, int64_t tile) const {
  return reinterpret_cast<uint64_t*>(call.scratch) + tile % kept_ * geometry_.words();
}
int32_t* BinarySlices::ones(const Call& call) const {
  return reinterpret_cast<int32_t*>(call.scratch +
                                    bytes_of(kept_ * geometry_.words(), sizeof(uint64_t)));
}
uint64_t* BinarySlices::base(const Call& call) const {
  return reinterpret_cast<uint64_t*>(reinterpret_cast<uint8_t*>(ones(call)) +
                                     bytes_of(geometry_.positions(), sizeof(int32_t)));
}

size_t BinarySlices::scratch_bytes() const {
  const int64_t words = shifts_ ? geometry_.channels * geometry_.base_words() : 0;
  return bytes_of(kept_ * geometry_.words(), sizeof(uint64_t)) +
         bytes_of(geometry_.positions(), sizeof(int32_t)) + bytes_of(words, sizeof(uint64_t));
}

size_t BinarySlices::packed_bytes() const {
  return counts_.size() * sizeof(int32_t) + (inputs_.size() + all_.size()) * sizeof(uint16_t) +
         starts_.size() * sizeof(int64_t);
}

void BinarySlices::make_base(const Call& call) const {
  if (call.source.floats != nullptr) {
    threshold_({call.source.floats, floats_, mask_.data(), sign_, level_, first_word_,
                geometry_.base_words(), base(call)});
  } else if (shifts_) {
    base_({call.source.words, geometry_, base(call)});
  }
}

void BinarySlices::make_tile(const Call& call, int64_t tile) const {
  bits_({shifts_ ? base(call) : nullptr, call.source.floats != nullptr ? lead_ : 0,
         call.source.words, geometry_, tile, slices(call, tile)});
  ones_({slices(call, tile), geometry_, tile, all_.data(), ones(call)});
}

void BinarySlices::add(const Call& call, int64_t tile, int64_t first_group,
                       int64_t last_group) const {
  const int64_t first = first_group * group_;
  SlicesB1Args args{};
  args.slices = slices(call, tile);
  args.geometry = geometry_;
  args.tile = tile;
  args.ones = ones(call);
  args.outputs = std::min(last_group * group_, outputs_) - first;
  args.group = group_;
  args.planes = planes_;
  args.counts = counts_.data() + (first_group << group_);
  args.inputs = inputs_.data() + starts_[static_cast<size_t>(first_group)];
  args.scale = call.scale + first;
  if (call.residual != nullptr) args.residual = call.residual + first * call.residual_stride;
  args.residual_stride = call.residual_stride;
  args.output = call.output + first * output_stride_;
  args.output_stride = output_stride_;
  adders_(args);
}

int64_t BinarySlices::first_of(int64_t tile) const {
  return std::min(tile * 64 * geometry_.slice_words, geometry_.positions());
}

}  // namespace niwaki
