// SPDX-License-Identifier: MIT
// What libguestfs hands out, owned.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace anyvisor::identity {

struct FreeStrings {
  void operator()(char** strings) const {
    for (char** next = strings; next && *next; ++next) std::free(*next);
    std::free(strings);
  }
};
using Strings = std::unique_ptr<char*, FreeStrings>;

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};
using Text = std::unique_ptr<char, FreeText>;

inline std::vector<std::string> list_of(const Strings& strings) {
  std::vector<std::string> list;
  for (char** next = strings.get(); next && *next; ++next) list.emplace_back(*next);
  return list;
}

// Pairs as libguestfs hands out a map: name, value, name, value.
inline std::vector<std::pair<std::string, std::string>> pairs_of(const Strings& strings) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (char** next = strings.get(); next && next[0] && next[1]; next += 2) pairs.emplace_back(next[0], next[1]);
  return pairs;
}

}  // namespace anyvisor::identity
