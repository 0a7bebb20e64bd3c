// SPDX-License-Identifier: MIT
// What people write ("debian:12"), and what it stands for.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace debian_images {

struct Suite {
  std::string_view name;     // "bookworm"
  std::string_view version;  // "12"; empty: not released
};

// Those that can be built, newest release first.
std::span<const Suite> suites();

// "debian:bookworm" and "debian:12" are one suite. Throws Failure(DECLINED) for all that is not "debian:" and a suite.
const Suite& suite_of(std::string_view reference);

// "Debian 12 (bookworm)", "Debian sid".
std::string title(const Suite& suite);
// "debian:bookworm".
std::string canonical_name(const Suite& suite);

// The identity of an image's content, usable as a file name: the same suite, architecture, recipe and archive give the
// same key. `mirror`: empty for the archive as this machine reaches it. Throws Failure(INTERNAL) without SHA-256.
std::string key_of(const Suite& suite, std::string_view architecture, std::string_view mirror);

}  // namespace debian_images
