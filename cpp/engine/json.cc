#include "engine/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/error.h"
#include "engine/text.h"

namespace niwaki {

class JsonParser {
 public:
  JsonParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Json parse() {
    Json value = parse_value(0);
    skip_space();
    if (at_ != text_.size()) fail("nothing may follow the value");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& must) const {
    throw Error(ErrorKind::kFormat, where_, concat("the header must be JSON: ", must),
                concat("byte ", at_, " of ", text_.size()));
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  char peek() {
    if (at_ >= text_.size()) fail("the text ends too early");
    return text_[at_];
  }

  void expect(char wanted) {
    if (peek() != wanted) fail(concat("'", wanted, "' is missing"));
    ++at_;
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json parse_value(int depth) {
    if (depth > Json::kMaxDepth) fail("too many levels");
    skip_space();
    Json value;
    switch (peek()) {
      case '{':
        parse_object(value, depth);
        break;
      case '[':
        parse_array(value, depth);
        break;
      case '"':
        value.kind_ = Json::Kind::kString;
        value.string_ = parse_string();
        break;
      case 't':
      case 'f':
        value.kind_ = Json::Kind::kBool;
        value.integer_ = take("true") ? 1 : 0;
        if (value.integer_ == 0 && !take("false")) fail("an unknown word");
        break;
      case 'n':
        if (!take("null")) fail("an unknown word");
        break;
      default:
        parse_number(value);
    }
    return value;
  }

  void parse_object(Json& value, int depth) {
    value.kind_ = Json::Kind::kObject;
    expect('{');
    skip_space();
    if (peek() == '}') {
      ++at_;
      return;
    }
    while (true) {
      skip_space();
      std::string key = parse_string();
      skip_space();
      expect(':');
      value.keys_.push_back(std::move(key));
      value.items_.push_back(parse_value(depth + 1));
      skip_space();
      if (peek() != ',') break;
      ++at_;
    }
    expect('}');
    std::vector<std::string_view> sorted(value.keys_.begin(), value.keys_.end());
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) fail("a key twice");
  }

  void parse_array(Json& value, int depth) {
    value.kind_ = Json::Kind::kArray;
    expect('[');
    skip_space();
    if (peek() == ']') {
      ++at_;
      return;
    }
    while (true) {
      value.items_.push_back(parse_value(depth + 1));
      skip_space();
      if (peek() != ',') break;
      ++at_;
    }
    expect(']');
  }

  unsigned parse_hex4() {
    unsigned code = 0;
    if (text_.size() - at_ < 4) fail("a \\u escape needs 4 digits");
    const char* end = text_.data() + at_ + 4;
    auto [stop, error] = std::from_chars(text_.data() + at_, end, code, 16);
    if (error != std::errc() || stop != end) fail("a \\u escape needs 4 digits");
    at_ += 4;
    return code;
  }

  void append_utf8(std::string& out, unsigned code) {
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
      if (!take("\\u")) fail("half a surrogate pair");
      unsigned low = parse_hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
      fail("half a surrogate pair");
    }
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }

  std::string parse_string() {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    std::string out;
    expect('"');
    while (peek() != '"') {
      char c = text_[at_++];
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      char escape = peek();
      ++at_;
      if (escape == 'u') {
        append_utf8(out, parse_hex4());
      } else if (size_t index = kEscapes.find(escape); index != std::string_view::npos) {
        out += kMeanings[index];
      } else {
        fail("an unknown escape");
      }
    }
    ++at_;
    return out;
  }

  void parse_number(Json& value) {
    size_t begin = at_;
    bool whole = true;
    if (peek() == '-') ++at_;
    size_t digits = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (at_ == digits) fail("a value is missing");
    if (text_[digits] == '0' && at_ - digits > 1) fail("a number with a leading 0");
    if (at_ < text_.size() && text_[at_] == '.') {
      whole = false;
      size_t fraction = ++at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
      if (at_ == fraction) fail("digits must follow the point");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      whole = false;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      size_t exponent = at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
      if (at_ == exponent) fail("digits must follow the e");
    }
    const char* first = text_.data() + begin;
    const char* last = text_.data() + at_;
    if (whole) {
      if (std::from_chars(first, last, value.integer_).ec != std::errc()) {
        fail("an integer must fit 64 bits");
      }
      value.kind_ = Json::Kind::kInteger;
      return;
    }
    if (std::from_chars(first, last, value.number_).ec != std::errc() ||
        !std::isfinite(value.number_)) {
      fail("a number must fit a double");
    }
    value.kind_ = Json::Kind::kNumber;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text, const std::string& where) {
  return JsonParser(text, where).parse();
}

const Json* Json::find(std::string_view key) const {
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return &items_[i];
  }
  return nullptr;
}

std::string Json::describe() const {
  switch (kind_) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return integer_ ? "true" : "false";
    case Kind::kInteger:
      return std::to_string(integer_);
    case Kind::kNumber:
      return std::to_string(number_);
    case Kind::kString:
      return concat("'", string_.substr(0, 60), "'");
    case Kind::kArray: {
      std::string text = "[";
      for (size_t i = 0; i < items_.size() && i < 8; ++i) {
        text += (i ? ", " : "") + items_[i].describe();
      }
      return text + (items_.size() > 8 ? ", ...]" : "]");
    }
    case Kind::kObject:
      return concat("an object of ", items_.size(), " keys");
  }
  return "";
}

}  // namespace niwaki
