#include "engine/xxh64.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace niwaki {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Fu;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9u;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63u;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5u;

static_assert(std::endian::native == std::endian::little, "words are read as little-endian");

template <typename Word>
uint64_t read(const uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint64_t round(uint64_t lane, uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

}  // namespace

Xxh64::Xxh64(uint64_t seed)
    : seed_(seed), lanes_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1} {}

void Xxh64::consume(const uint8_t* stripe) {
  for (int lane = 0; lane < 4; ++lane) {
    lanes_[lane] = round(lanes_[lane], read<uint64_t>(stripe + 8 * lane));
  }
}

void Xxh64::update(const void* data, size_t size) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  total_ += size;
  while (size > 0) {
    if (held_ == 0 && size >= sizeof(pending_)) {
      consume(at);
      at += sizeof(pending_);
      size -= sizeof(pending_);
      continue;
    }
    size_t taken = std::min(size, sizeof(pending_) - held_);
    std::memcpy(pending_ + held_, at, taken);
    held_ += taken;
    at += taken;
    size -= taken;
    if (held_ == sizeof(pending_)) {
      consume(pending_);
      held_ = 0;
    }
  }
}

uint64_t Xxh64::digest() const {
  uint64_t hash = seed_ + kPrime5;
  if (total_ >= sizeof(pending_)) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (uint64_t lane : lanes_) hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += total_;
  const uint8_t* at = pending_;
  const uint8_t* end = pending_ + held_;
  for (; end - at >= 8; at += 8) {
    hash = std::rotl(hash ^ round(0, read<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  }
  if (end - at >= 4) {
    hash = std::rotl(hash ^ (read<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at < end; ++at) hash = std::rotl(hash ^ (*at * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace niwaki
