#include "fuzz/mutate.h"

#include <cstring>
#include <string_view>

#include "engine/container.h"
#include "engine/error.h"
#include "engine/json.h"
#include "engine/xxh64.h"
#include "fuzz/spans.h"

namespace niwaki::fuzz {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMostTensor = 1 << 16;  // what a mutation may grow a tensor to

std::size_t size_of(const std::string& dtype) {
  for (const auto& [name, bytes] : {std::pair<const char*, std::size_t>{"f32", 4},
                                    {"f64", 8},
                                    {"u8", 1},
                                    {"s8", 1},
                                    {"u16", 2},
                                    {"s16", 2},
                                    {"s32", 4},
                                    {"s64", 8},
                                    {"u64", 8}}) {
    if (dtype == name) return bytes;
  }
  return 1;
}

// Gives each tensor of the program the bytes that its dtype and shape ask for, where that is sane.
void fit_tensors(Parts& parts) {
  Json program;
  try {
    program = Json::parse(parts.program, "fuzz");
  } catch (const Error&) {
    return;
  }
  const Json* tensors = program.find("tensors");
  if (tensors == nullptr || !tensors->is_object()) return;
  std::vector<std::pair<std::string, std::string>> fitted;
  for (std::size_t i = 0; i < tensors->keys().size(); ++i) {
    std::string data = i < parts.tensors.size() ? parts.tensors[i].second : std::string();
    for (const auto& [name, bytes] : parts.tensors) {
      if (name == tensors->keys()[i]) data = bytes;
    }
    const Json* dtype = tensors->array()[i].find("dtype");
    const Json* shape = tensors->array()[i].find("shape");
    if (dtype != nullptr && dtype->is_string() && shape != nullptr && shape->is_array()) {
      std::size_t bytes = size_of(dtype->string());
      for (const Json& size : shape->array()) {
        const auto factor = static_cast<std::uint64_t>(size.is_integer() ? size.integer() : 1);
        bytes =
            factor > kMostTensor || bytes * factor > kMostTensor ? kMostTensor + 1 : bytes * factor;
      }
      if (bytes <= kMostTensor) {
        data.resize(bytes, '\1');
        data.resize((bytes + kAlignment - 1) / kAlignment * kAlignment, '\0');
      }
    }
    fitted.emplace_back(tensors->keys()[i], std::move(data));
  }
  parts.tensors = std::move(fitted);
}

void mutate_bytes(std::string& data, Random& random) {
  if (data.empty()) return;
  const auto size = static_cast<std::int64_t>(data.size());
  for (std::int64_t times = random.pick({1, 1, 2, 8}); times > 0; --times) {
    const auto at = static_cast<std::size_t>(random.integer(0, size - 1));
    switch (random.integer(0, 4)) {
      case 0:
        data[at] = static_cast<char>(data[at] ^ (1 << random.integer(0, 7)));
        break;
      case 1:
        data[at] = static_cast<char>(random.word());
        break;
      case 2:
        data[at] = static_cast<char>(random.pick({0, 1, 127, 128, 255}));
        break;
      case 3: {  // a number of 4 or 8 bytes
        const std::uint64_t numbers[] = {0x7fc00000, 0x7f800000,   0xff800000, 1,
                                         0x80000000, 0x7fffffff,   0xffffffff, ~0ULL,
                                         1ULL << 63, random.word()};
        const std::uint64_t number = numbers[random.integer(0, 9)];
        const std::size_t bytes = random.chance(0.7) ? 4 : 8;
        const std::size_t begin = at / bytes * bytes;
        if (begin + bytes <= data.size()) std::memcpy(&data[begin], &number, bytes);
        break;
      }
      default:
        std::fill(data.begin() + static_cast<std::ptrdiff_t>(at), data.end(),
                  static_cast<char>(random.pick({0, 255})));
    }
  }
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void write_hash(std::string& file) {
  const std::size_t at = file.find(R"("hash":")");
  if (at == std::string::npos || at + 8 + 16 > file.size()) return;
  file.replace(at + 8, 16, 16, '0');
  Xxh64 hash;
  hash.update(file.data(), file.size());
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash.digest()));
  file.replace(at + 8, 16, digits);
}

}  // namespace

Parts take_apart(const std::string& file) {
  AlignedBytes bytes(file.size());
  std::memcpy(bytes.data(), file.data(), file.size());
  const Container container = parse_container(std::move(bytes), "seed");
  Parts parts{container.program_text, {}};
  for (const Blob& blob : container.blobs) {
    parts.tensors.emplace_back(blob.name,
                               std::string(reinterpret_cast<const char*>(blob.data), blob.size));
  }
  return parts;
}

std::string put_together(const Parts& parts, Random* random) {
  std::string header =
      R"({"__metadata__":{"format":"nwk","version":"1","hash":"0000000000000000",)";
  header += R"("program":")" + escaped(parts.program) + "\"}";
  std::size_t offset = 0;
  for (const auto& [name, data] : parts.tensors) {
    const std::string end = std::to_string(offset + data.size());
    header += ",\"" + escaped(name) + R"(":{"dtype":"U8","shape":[)" + std::to_string(data.size());
    header += R"(],"data_offsets":[)" + std::to_string(offset) + "," + end + "]}";
    offset += data.size();
  }
  header += "}";
  if (random != nullptr && random->chance(0.7)) mutate_json(header, header, *random);
  header.append((kAlignment - (8 + header.size()) % kAlignment) % kAlignment, ' ');
  std::uint64_t length = header.size();
  if (random != nullptr && random->chance(0.1)) {
    length = random->chance(0.5) ? random->word() : length + 64;
  }
  std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
  file += header;
  for (const auto& [name, data] : parts.tensors) file += data;
  if (random != nullptr && random->chance(0.1)) file.append(64, '\0');
  write_hash(file);
  return file;
}

void mutate(Parts& parts, const Parts& other, Random& random) {
  for (std::int64_t times = random.pick({1, 1, 1, 2, 3, 5}); times > 0; --times) {
    if (parts.tensors.empty() || random.chance(0.75)) {
      mutate_json(parts.program, other.program, random);
      continue;
    }
    const auto last = static_cast<std::int64_t>(parts.tensors.size()) - 1;
    auto& tensor = parts.tensors[static_cast<std::size_t>(random.integer(0, last))];
    if (random.chance(0.9)) {
      mutate_bytes(tensor.second, random);
    } else {
      tensor.second.resize(tensor.second.size() / 64 * 64 +
                           static_cast<std::size_t>(random.pick({0, 1, 64})));
    }
  }
  if (random.chance(0.8)) fit_tensors(parts);
}

std::string damage(std::string file, Random& random) {
  const auto size = static_cast<std::int64_t>(file.size());
  const auto at = static_cast<std::size_t>(random.integer(0, size - 1));
  switch (random.integer(0, 3)) {
    case 0:
      file.resize(at);
      break;
    case 1:
      file.insert(at, static_cast<std::size_t>(random.pick({1, 64})), '\0');
      break;
    case 2:
      file.erase(at, static_cast<std::size_t>(random.pick({1, 8, 64})));
      break;
    default:
      mutate_bytes(file, random);
  }
  return file;
}

}  // namespace niwaki::fuzz
