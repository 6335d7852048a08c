#include "engine/container.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string_view>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

#include "engine/error.h"
#include "engine/text.h"
#include "engine/xxh64.h"

namespace niwaki {
namespace {

constexpr std::string_view kBeforeVersion = R"({"__metadata__":{"format":"nwk","version":")";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kBeforeHash = R"(","hash":")";
constexpr size_t kLengthBytes = 8;
constexpr size_t kDigits = 16;
constexpr size_t kHashAt =
    kLengthBytes + kBeforeVersion.size() + kVersion.size() + kBeforeHash.size();
constexpr size_t kAlignment = AlignedBytes::kAlignment;

size_t round_up(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

std::string hex16(uint64_t value) {
  char text[kDigits + 1];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// The checks that need no JSON: magic, version, hash, header length. Returns the header's text.
std::string_view check_envelope(std::string_view file, const std::string& name) {
  auto fail = [&name](std::string must, std::string got, std::string fix) {
    throw Error(ErrorKind::kFormat, name, std::move(must), std::move(got), std::move(fix));
  };
  if (file.size() < kLengthBytes ||
      file.substr(kLengthBytes, kBeforeVersion.size()) != kBeforeVersion) {
    fail("the file must begin as a .nwk file",
         file.empty() ? "an empty file" : std::to_string(file.size()) + " bytes of another kind",
         "Give a file written by niwaki compile");
  }
  std::string_view version = file.substr(kLengthBytes + kBeforeVersion.size(), 8);
  version = version.substr(0, version.find('"'));
  if (version != kVersion) {
    fail(concat("the version must be ", kVersion), concat("'", version, "'"),
         "Update niwaki if the file is from a newer one, else write it again");
  }
  Xxh64 hash;
  std::string_view digits = file.substr(std::min(kHashAt, file.size()), kDigits);
  hash.update(file.data(), std::min(kHashAt, file.size()));
  hash.update(std::string(digits.size(), '0').data(), digits.size());
  if (file.size() > kHashAt + kDigits) {
    hash.update(file.data() + kHashAt + kDigits, file.size() - kHashAt - kDigits);
  }
  std::string wanted = hex16(hash.digest());
  if (digits != wanted) {
    fail(concat("the hash must match the content (", wanted, ")"), std::string(digits),
         "The file is damaged: copy it or write it again");
  }
  uint64_t length;
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > file.size() - kLengthBytes || (kLengthBytes + length) % kAlignment != 0 ||
      kLengthBytes + length < kHashAt + kDigits) {
    fail("the header must end inside the file, at a multiple of 64",
         concat(length, " of ", file.size(), " bytes"), "");
  }
  return file.substr(kLengthBytes, length);
}

// [begin, end] of a tensor's entry, which must be exactly what its place in the file says.
void check_entry(const Json& entry, const std::string& tensor, size_t begin, size_t limit,
                 size_t& end, const std::string& name) {
  const Json* dtype = entry.find("dtype");
  const Json* shape = entry.find("shape");
  const Json* offsets = entry.find("data_offsets");
  bool good = dtype && dtype->is_string() && dtype->string() == "U8" && shape &&
              shape->is_array() && shape->array().size() == 1 && offsets && offsets->is_array() &&
              offsets->array().size() == 2 && entry.keys().size() == 3;
  if (good) {
    const Json& size = shape->array()[0];
    const Json& first = offsets->array()[0];
    const Json& last = offsets->array()[1];
    good = size.is_integer() && first.is_integer() && last.is_integer() && size.integer() >= 0 &&
           static_cast<uint64_t>(size.integer()) <= limit - begin &&
           static_cast<uint64_t>(size.integer()) % kAlignment == 0 &&
           first.integer() == static_cast<int64_t>(begin) &&
           last.integer() == static_cast<int64_t>(begin) + size.integer();
    if (good) end = static_cast<size_t>(last.integer());
  }
  if (!good) {
    throw Error(
        ErrorKind::kFormat, name,
        concat("tensor '", tensor, "' must be U8 bytes in the file, right behind the one before"),
        offsets ? offsets->describe() : entry.describe());
  }
}

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  size_t capacity = round_up(size + 1);  // never 0
  data_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, capacity)));
  if (!data_) throw std::bad_alloc();
}

void AlignedBytes::Free::operator()(uint8_t* data) const {
#if defined(__unix__) || defined(__APPLE__)
  if (mapped > 0) {
    munmap(data, mapped);
    return;
  }
#endif
  std::free(data);
}

std::optional<AlignedBytes> AlignedBytes::of_file(const std::string& path, size_t size) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) return std::nullopt;
  AlignedBytes bytes;
#if defined(__unix__) || defined(__APPLE__)
  void* mapping = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fileno(file.get()), 0);
  if (mapping != MAP_FAILED) {
    bytes.data_ = {static_cast<uint8_t*>(mapping), Free{size}};
    bytes.size_ = size;
    return bytes;
  }
#endif
  bytes = AlignedBytes(size);
  if (std::fread(bytes.data(), 1, size, file.get()) != size) return std::nullopt;
  return bytes;
}

void AlignedBytes::drop_pages() const {
#if defined(__unix__) || defined(__APPLE__)
  // Advice: a system that doesn't take it keeps the pages.
  if (data_ && data_.get_deleter().mapped > 0) (void)madvise(data_.get(), size_, MADV_DONTNEED);
#endif
}

Container read_container(const std::string& path) {
  auto fail = [&path](const std::string& got) {
    return Error(ErrorKind::kInput, "nwk.read", concat(path, " must be a file that can be read"),
                 got);
  };
  std::error_code status;
  if (std::filesystem::is_directory(path, status)) throw fail("a folder");
  auto size = std::filesystem::file_size(path, status);
  if (status) throw fail(status.message());
  errno = 0;
  std::optional<AlignedBytes> bytes =
      size == 0 ? AlignedBytes(0) : AlignedBytes::of_file(path, static_cast<size_t>(size));
  if (!bytes) throw fail(errno != 0 ? std::strerror(errno) : "a file that shrinks");
  return parse_container(*std::move(bytes), std::filesystem::path(path).filename().string());
}

Container parse_container(AlignedBytes bytes, std::string name) {
  Container container{std::move(name), std::move(bytes), {}, {}, {}};
  std::string_view file(reinterpret_cast<const char*>(container.bytes.data()),
                        container.bytes.size());
  std::string_view text = check_envelope(file, container.name);
  Json header = Json::parse(text, container.name);
  const Json* metadata = header.find("__metadata__");
  const Json* program = metadata ? metadata->find("program") : nullptr;
  if (program == nullptr || !program->is_string()) {
    throw Error(ErrorKind::kFormat, container.name, "the header must hold a program", "none");
  }
  container.program_text = program->string();
  container.program = Json::parse(container.program_text, container.name);
  const size_t start = kLengthBytes + text.size();
  const size_t limit = file.size() - start;
  size_t offset = 0;
  for (size_t i = 0; i < header.keys().size(); ++i) {
    const std::string& key = header.keys()[i];
    if (key == "__metadata__") continue;
    size_t end = offset;
    check_entry(header.array()[i], key, offset, limit, end, container.name);
    container.blobs.push_back({key, container.bytes.data() + start + offset, end - offset});
    offset = end;
  }
  if (offset != limit) {
    throw Error(ErrorKind::kFormat, container.name,
                concat("the file must end with its last tensor (", start + offset, " bytes)"),
                std::to_string(file.size()));
  }
  return container;
}

}  // namespace niwaki
