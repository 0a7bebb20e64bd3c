// SPDX-License-Identifier: MIT
#include "reference.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <anyvisor/plugin.hpp>
#include <array>

#include "recipe.hpp"

namespace debian_images {

using anyvisor::sdk::Failure;

namespace {

constexpr std::string_view prefix = "debian:";
constexpr std::array known{Suite{"trixie", "13"}, Suite{"bookworm", "12"}, Suite{"bullseye", "11"},
                           Suite{"forky", "14"}, Suite{"sid", ""}};

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr) != 1)
    throw Failure(ANYVISOR_INTERNAL, "OpenSSL's SHA-256 failed");
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += digits[bytes[i] >> 4];
    hex += digits[bytes[i] & 15];
  }
  return hex;
}

}  // namespace

std::span<const Suite> suites() {
  return known;
}

const Suite& suite_of(std::string_view reference) {
  if (!reference.starts_with(prefix))
    throw anyvisor::sdk::declined("\"" + std::string(reference) + "\" is not debian:SUITE");
  std::string_view wanted = reference.substr(prefix.size());
  if (wanted == "unstable") wanted = "sid";
  const auto* found = std::ranges::find_if(
      known, [&](const Suite& suite) { return suite.name == wanted || (!wanted.empty() && suite.version == wanted); });
  if (found != known.end()) return *found;
  std::string names;
  for (const auto& suite : known) names += (names.empty() ? "" : ", ") + std::string(suite.name);
  throw anyvisor::sdk::declined("\"" + std::string(wanted) + "\" is none of the suites " + names);
}

std::string title(const Suite& suite) {
  const std::string name(suite.name);
  return "Debian " + (suite.version.empty() ? name : std::string(suite.version) + " (" + name + ")");
}

std::string canonical_name(const Suite& suite) {
  return std::string(prefix) + std::string(suite.name);
}

std::string key_of(const Suite& suite, std::string_view architecture, std::string_view mirror) {
  std::string content;
  for (std::string_view part : {recipe::build, recipe::customize, mirror}) {
    content += part;
    content += '\0';
  }
  constexpr std::size_t digits = 16;
  return std::string(suite.name) + "-" + std::string(architecture) + "-" + sha256_hex(content).substr(0, digits);
}

}  // namespace debian_images
