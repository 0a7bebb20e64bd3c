// SPDX-License-Identifier: MIT
#include "instance/identifier.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace anyvisor {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> random_bytes() {
  std::array<std::uint8_t, N> bytes{};
  // Up to 256 bytes never come short once the kernel's pool is ready (getrandom(2)).
  if (getrandom(bytes.data(), N, 0) != static_cast<ssize_t>(N)) std::abort();
  return bytes;
}

std::string format_uuid(std::array<std::uint8_t, 16> bytes, int version_number) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | (version_number << 4));
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", bytes[i]);
    text += hex;
  }
  return text;
}

constexpr std::array adjectives = {
    "able",  "agile",  "amber",  "bold",   "brave",  "bright",  "brisk", "calm",   "clear",  "clever", "cosy",
    "crisp", "daring", "deft",   "eager",  "early",  "fair",    "fleet", "fresh",  "gentle", "glad",   "golden",
    "happy", "hardy",  "honest", "jolly",  "keen",   "kind",    "light", "lively", "loyal",  "lucky",  "mellow",
    "merry", "mild",   "modest", "neat",   "noble",  "patient", "plain", "proud",  "quick",  "quiet",  "rapid",
    "ready", "robust", "rosy",   "sharp",  "silver", "sleek",   "smart", "snug",   "solid",  "steady", "sunny",
    "swift", "tender", "tidy",   "trusty", "vivid",  "warm",    "wise",  "witty",  "young"};
constexpr std::array nouns = {
    "ant",   "badger", "bat",     "bear",   "beaver", "bee",   "bison",  "cat",   "crane", "cricket", "crow",
    "deer",  "dove",   "duck",    "eagle",  "egret",  "elk",   "falcon", "finch", "fox",   "frog",    "gecko",
    "gull",  "hare",   "hawk",    "heron",  "horse",  "ibex",  "jay",    "koala", "lark",  "lion",    "lizard",
    "llama", "lynx",   "magpie",  "marten", "mole",   "moose", "moth",   "newt",  "orca",  "otter",   "owl",
    "panda", "perch",  "pike",    "pony",   "puffin", "quail", "rabbit", "raven", "robin", "salmon",  "seal",
    "shrew", "snail",  "sparrow", "stork",  "swan",   "tern",  "toad",   "trout", "wren"};

}  // namespace

std::string new_id() {
  auto bytes = random_bytes<16>();
  using namespace std::chrono;
  auto now = static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(now >> (8 * (5 - i)));
  return format_uuid(bytes, 7);
}

std::string new_random_uuid() {
  return format_uuid(random_bytes<16>(), 4);
}

std::string short_id(std::string_view id) {
  return std::string(id.size() > 12 ? id.substr(id.size() - 12) : id);
}

bool is_id(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (dash ? text[i] != '-' : !hex) return false;
  }
  return true;
}

std::string new_mac() {
  auto bytes = random_bytes<3>();
  char text[18];
  std::snprintf(text, sizeof text, "52:54:00:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2]);
  return text;
}

std::uint32_t new_vsock_cid() {
  constexpr std::uint32_t first = 3, last = 0xfffffffe;
  for (;;) {
    const auto bytes = random_bytes<4>();
    std::uint32_t cid = 0;
    for (const auto byte : bytes) cid = cid << 8 | byte;
    if (cid >= first && cid <= last) return cid;
  }
}

Result<void> check_name(std::string_view name) {
  auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  bool good = !name.empty() && name.size() <= 63 && is_alphanumeric(name.front()) && is_alphanumeric(name.back()) &&
              std::ranges::all_of(name, [&](char c) { return is_alphanumeric(c) || c == '-'; });
  if (good && !is_id(name)) return {};
  return fail(ErrorKind::invalid_argument, "invalid name \"" + std::string(name) + "\"",
              "a name is a host name: 1 to 63 letters, digits and '-', with a letter or digit at both ends", "/name");
}

std::string make_up_name(const std::function<bool(const std::string&)>& is_taken) {
  for (int attempt = 0;; ++attempt) {
    auto bytes = random_bytes<4>();
    std::string name = std::string(adjectives[bytes[0] % adjectives.size()]) + "-" + nouns[bytes[1] % nouns.size()];
    // 4096 names are soon rare: from the fourth try on, a number helps.
    if (attempt >= 3) name += "-" + std::to_string((bytes[2] << 8 | bytes[3]) % 10000);
    if (!is_taken(name)) return name;
  }
}

}  // namespace anyvisor
