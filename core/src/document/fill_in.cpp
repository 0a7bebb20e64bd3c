// SPDX-License-Identifier: MIT
#include "document/fill_in.hpp"

namespace anyvisor {

std::string fill_in(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string filled;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text[at] == '{' ? text.find('}', at) : std::string_view::npos;
    const auto value =
        end == std::string_view::npos ? values.end() : values.find(std::string(text.substr(at + 1, end - at - 1)));
    if (value == values.end()) {
      filled += text[at++];
      continue;
    }
    filled += value->second;
    at = end + 1;
  }
  return filled;
}

}  // namespace anyvisor
