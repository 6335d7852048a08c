#include "fuzz/spans.h"

#include <string_view>
#include <vector>

namespace niwaki::fuzz {
namespace {

using check::Random;

struct Span {
  std::size_t begin, end;
  bool key;
};

// Every value and key of a JSON text, nested ones too. The text may be damaged: then some.
std::vector<Span> find_spans(std::string_view text) {
  std::vector<Span> spans;
  std::vector<std::size_t> open;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '{' || c == '[') {
      open.push_back(at);
    } else if ((c == '}' || c == ']') && !open.empty()) {
      spans.push_back({open.back(), at + 1, false});
      open.pop_back();
    } else if (c == '"') {
      std::size_t end = at + 1;
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
      spans.push_back({at, end, end < text.size() && text[end] == ':'});
      at = end - 1;
    } else if (c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) {
      std::size_t end = at;
      while (end < text.size() && std::string_view(",]}: ").find(text[end]) == text.npos) ++end;
      spans.push_back({at, end, false});
      at = end - 1;
    }
  }
  return spans;
}

template <class T>
const T& any_of(const std::vector<T>& items, Random& random) {
  return items[static_cast<std::size_t>(
      random.integer(0, static_cast<std::int64_t>(items.size()) - 1))];
}

std::string awkward_value(std::string_view old, Random& random) {
  static const std::vector<std::string> awkward = {"0",
                                                   "1",
                                                   "-1",
                                                   "2",
                                                   "3",
                                                   "7",
                                                   "8",
                                                   "63",
                                                   "64",
                                                   "65",
                                                   "255",
                                                   "256",
                                                   "1000",
                                                   "65535",
                                                   "65536",
                                                   "1048576",
                                                   "1048577",
                                                   "2147483647",
                                                   "2147483648",
                                                   "-2147483648",
                                                   "4294967295",
                                                   "4294967296",
                                                   "9223372036854775807",
                                                   "-9223372036854775808",
                                                   "9223372036854775808",
                                                   "0.5",
                                                   "-0.0",
                                                   "1e30",
                                                   "1e308",
                                                   "1e-320",
                                                   "1e999",
                                                   "NaN",
                                                   "true",
                                                   "false",
                                                   "null",
                                                   "[]",
                                                   "{}",
                                                   "\"\"",
                                                   "[0]",
                                                   "[1,1]",
                                                   "[[[]]]",
                                                   "{\"kind\":\"relu\"}",
                                                   "\"\\u0000\"",
                                                   "\"\\ud800\"",
                                                   "\"x\""};
  const bool number = !old.empty() && (old[0] == '-' || (old[0] >= '0' && old[0] <= '9'));
  if (number && old.size() < 10 && old.find('.') == old.npos && random.chance(0.6)) {
    const long long value = std::atoll(std::string(old).c_str());
    const long long near[] = {value + 1,
                              value - 1,
                              value * 2,
                              -value,
                              value / 2,
                              value + 64,
                              random.integer(0, 9),
                              random.integer(0, 300)};
    return std::to_string(near[random.integer(0, 7)]);
  }
  return any_of(awkward, random);
}

// Removes the comma beside a removed value.
void erase_value(std::string& text, const Span& span) {
  std::size_t begin = span.begin;
  std::size_t end = span.end;
  if (end < text.size() && text[end] == ',') {
    ++end;
  } else if (begin > 0 && text[begin - 1] == ',') {
    --begin;
  }
  text.erase(begin, end - begin);
}

}  // namespace

void mutate_json(std::string& text, const std::string& other, Random& random) {
  const std::vector<Span> spans = find_spans(text);
  if (spans.empty()) return;
  const Span span = any_of(spans, random);
  const std::string old = text.substr(span.begin, span.end - span.begin);
  const auto replace = [&](const std::string& value) {
    text.replace(span.begin, span.end - span.begin, value);
  };
  switch (random.integer(0, 9)) {
    case 0:
      return erase_value(text, span);
    case 1:  // doubled beside itself
      if (!span.key && old.size() < 20000) text.insert(span.end, "," + old);
      return;
    case 2: {  // another value of the same text: of the same kind most of the time
      const Span from = any_of(spans, random);
      return replace(text.substr(from.begin, std::min<std::size_t>(from.end - from.begin, 20000)));
    }
    case 3: {  // a value of another file
      const std::string donor(other);
      const std::vector<Span> others = find_spans(donor);
      if (others.empty()) return;
      const Span from = any_of(others, random);
      return replace(donor.substr(from.begin, std::min<std::size_t>(from.end - from.begin, 20000)));
    }
    case 4: {  // a string for a string, or a number for a number
      std::vector<Span> alike;
      for (const Span& each : spans) {
        if (text[each.begin] == text[span.begin] && each.key == span.key) alike.push_back(each);
      }
      const Span from = any_of(alike, random);
      return replace(text.substr(from.begin, from.end - from.begin));
    }
    default:
      replace(awkward_value(old, random));
  }
}

}  // namespace niwaki::fuzz
