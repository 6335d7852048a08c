// A small strict JSON reader, for the header of a .nwk file.
//
// Why our own: no pip package ships a C++ JSON header, and the engine loads .nwk without Python.
// Strict: no comments, no trailing commas, no NaN, no key twice in one object, valid escapes only,
// nothing behind the value, at most kMaxDepth levels. Objects keep the order of their keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace niwaki {

class Json {
 public:
  enum class Kind { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };
  static constexpr int kMaxDepth = 64;

  // Parses the whole text. `where` names the file in the Error (kFormat) that is thrown.
  static Json parse(std::string_view text, const std::string& where);

  Kind kind() const { return kind_; }
  bool is_object() const { return kind_ == Kind::kObject; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_integer() const { return kind_ == Kind::kInteger; }  // no point, no exponent, fits int64
  bool is_number() const { return kind_ == Kind::kNumber || kind_ == Kind::kInteger; }
  bool is_bool() const { return kind_ == Kind::kBool; }

  // The caller has checked the kind.
  bool boolean() const { return integer_ != 0; }
  int64_t integer() const { return integer_; }
  double number() const {
    return kind_ == Kind::kInteger ? static_cast<double>(integer_) : number_;
  }
  const std::string& string() const { return string_; }
  const std::vector<Json>& array() const { return items_; }
  const std::vector<std::string>& keys() const { return keys_; }  // parallel to array()

  // The value of a key, or nullptr where this isn't an object or has no such key.
  const Json* find(std::string_view key) const;

  // A short text for messages.
  std::string describe() const;

 private:
  friend class JsonParser;

  Kind kind_ = Kind::kNull;
  int64_t integer_ = 0;
  double number_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::vector<std::string> keys_;
};

}  // namespace niwaki
