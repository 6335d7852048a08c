// XXH64, the hash over a .nwk file: fast, 64 bits, catches every single flipped bit we tried.
//
// Source: Y. Collet, "xxHash fast digest algorithm", specification 0.1.1, section XXH64.
#pragma once

#include <cstddef>
#include <cstdint>

namespace niwaki {

// Streamed in pieces, so that the hash field of a file can be replaced without copying the file.
class Xxh64 {
 public:
  explicit Xxh64(uint64_t seed = 0);

  void update(const void* data, size_t size);
  uint64_t digest() const;

 private:
  void consume(const uint8_t* stripe);

  uint64_t seed_;
  uint64_t lanes_[4];
  uint64_t total_ = 0;
  uint8_t pending_[32];  // less than one stripe
  size_t held_ = 0;
};

}  // namespace niwaki
