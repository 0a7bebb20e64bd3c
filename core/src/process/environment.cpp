// SPDX-License-Identifier: MIT
#include "process/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace anyvisor {

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ANYVISOR_UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ANYVISOR_UNDER_SANITIZER 1
#endif

bool is_passed_on(std::string_view name) {
  static constexpr std::string_view names[] = {
      "PATH", "HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "http_proxy", "https_proxy", "no_proxy"};
  if (std::find(std::begin(names), std::end(names), name) != std::end(names)) return true;
#ifdef ANYVISOR_UNDER_SANITIZER
  static constexpr std::string_view options[] = {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
  if (std::find(std::begin(options), std::end(options), name) != std::end(options)) return true;
#endif
  return name.starts_with("ANYVISOR_");
}

std::string_view name_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

}  // namespace

std::vector<std::string> clean_environment(const std::vector<std::string>& added) {
  std::vector<std::string> entries;
  const auto put = [&](std::string_view entry) {
    std::erase_if(entries, [&](const std::string& there) { return name_of(there) == name_of(entry); });
    entries.emplace_back(entry);
  };
  put("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  for (char** entry = ::environ; entry && *entry; ++entry)
    if (is_passed_on(name_of(*entry))) put(*entry);
  for (const auto& entry : added) put(entry);
  return entries;
}

}  // namespace anyvisor
