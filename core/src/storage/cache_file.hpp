// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace anyvisor {

// The name of the cache file for `key`: "<kind>-<16 hex digits>.json". The digits are FNV-1a of the key: they only have
// to differ; the file holds the key itself, and is compared with it when read.
inline std::string cache_file_name(std::string_view kind, std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char byte : key) hash = (hash ^ byte) * 0x100000001b3u;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return std::string(kind) + "-" + digits + ".json";
}

}  // namespace anyvisor
