// Message texts from parts: strings as they are, integers in decimals.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace niwaki {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  auto add = [&text](const auto& part) {
    if constexpr (std::same_as<std::remove_cvref_t<decltype(part)>, char>) {
      text += part;
    } else if constexpr (std::integral<std::remove_cvref_t<decltype(part)>>) {
      text += std::to_string(part);
    } else {
      text += std::string_view(part);
    }
  };
  (add(parts), ...);
  return text;
}

}  // namespace niwaki
