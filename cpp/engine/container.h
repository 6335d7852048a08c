// The .nwk file: its bytes, checked, and the tensors inside them.
//
//   8 bytes  length of the header, little-endian
//   header   {"__metadata__":{"format":"nwk","version":"1","hash":"<16 hex
//   digits>","program":"..."},
//            "<tensor>":{"dtype":"U8","shape":[bytes],"data_offsets":[begin,end]},...} and spaces
//   data     tensors in that order without gaps, each padded with zeros to 64 bytes
//
// The file begins with exactly these characters, so the hash is checked before any JSON is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/json.h"

namespace niwaki {

// Bytes at a 64-byte boundary, not initialised: untouched pages cost nothing.
class AlignedBytes {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBytes() = default;
  explicit AlignedBytes(size_t size);

  // A file's content, read-only: mapped into memory where the system can, else read. `size` is the
  // file's, at least 1. Nothing where it can't be read.
  static std::optional<AlignedBytes> of_file(const std::string& path, size_t size);

  uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }

  // Gives the pages of a mapped file back; what is read again comes from the file again.
  void drop_pages() const;

 private:
  struct Free {
    size_t mapped;  // bytes of the mapping; 0: allocated
    void operator()(uint8_t* data) const;
  };
  std::unique_ptr<uint8_t, Free> data_{nullptr, Free{0}};
  size_t size_ = 0;
};

struct Blob {
  std::string name;
  const uint8_t* data = nullptr;
  size_t size = 0;  // padded to 64
};

// One file in memory. Blobs point into it.
struct Container {
  std::string name;  // what messages call the file
  AlignedBytes bytes;
  std::string program_text;  // the program's JSON, and the same parsed
  Json program;
  std::vector<Blob> blobs;
};

// Maps a file: its content must not change while the container lives (write a new file and rename
// it; niwaki does). Throws Error: kInput where it can't be read, kFormat where it is damaged.
Container read_container(const std::string& path);

// Takes the bytes of a file. Throws Error (kFormat).
Container parse_container(AlignedBytes bytes, std::string name);

}  // namespace niwaki
