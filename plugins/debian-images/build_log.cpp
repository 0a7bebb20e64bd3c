// SPDX-License-Identifier: MIT
#include "build_log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace debian_images {

using anyvisor::sdk::Failure;

namespace {

constexpr std::size_t tail_lines = 25;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "29.7 MB" as apt writes sizes.
std::uint64_t bytes_of(std::string_view text) {
  std::string number;
  while (!text.empty() &&
         ((text.front() >= '0' && text.front() <= '9') || text.front() == '.' || text.front() == ',')) {
    if (text.front() != ',') number += text.front();
    text.remove_prefix(1);
  }
  if (number.empty() || text.size() < 2) return 0;
  const char unit = text[1];
  const double scale = unit == 'k' ? 1e3 : unit == 'M' ? 1e6 : unit == 'G' ? 1e9 : 1;
  return static_cast<std::uint64_t>(std::strtod(number.c_str(), nullptr) * scale);
}

std::uint64_t number_after(std::string_view text, std::string_view before) {
  const auto at = text.find(before);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + before.size());
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

struct Words {
  std::string_view line, phase;
};
constexpr std::array phases{
    Words{"I: running apt-get update", "reading package lists"},
    Words{"I: downloading packages", "downloading packages"},
    Words{"I: extracting archives", "unpacking the base system"},
    Words{"I: installing essential packages", "installing the base system"},
    Words{"I: installing remaining packages", "downloading packages"},
    Words{"I: running --customize-hook", "configuring the guest"},
    Words{"I: cleaning package lists", "cleaning up"},
};

// How apt says that the archive does not answer, or not with what was asked for.
constexpr std::array<std::string_view, 9> archive_signs{
    "Could not connect to", "Could not resolve",    "Temporary failure resolving",
    "Connection failed",    "Connection timed out", "does not have a Release file",
    "E: Failed to fetch",   "Unable to connect to", "Cannot initiate the connection to"};

}  // namespace

void BuildLog::begin(std::string phase, std::uint64_t total) {
  if (progress_.phase != phase) progress_ = {std::move(phase), 0, total};
}

void BuildLog::add(std::string_view line) {
  constexpr std::string_view own = "phase: ";
  if (line.starts_with(own)) {
    begin(std::string(line.substr(own.size())), 0);
    return;
  }
  tail_.emplace_back(line);
  if (tail_.size() > tail_lines) tail_.pop_front();

  for (const auto& words : phases)
    if (line.starts_with(words.line)) begin(std::string(words.phase), 0);
  // Per run of apt: how many packages, how many bytes, then one line for each.
  if (contains(line, " newly installed, ")) packages_ = number_after(line, "upgraded, ");
  if (line.starts_with("Need to get ")) {
    bytes_ = bytes_of(line.substr(std::string_view("Need to get ").size()));
    if (progress_.phase == "downloading packages") progress_.total = bytes_;
  }
  if (line.starts_with("Get:") && progress_.phase == "downloading packages")
    if (const auto bracket = line.rfind('['); bracket != std::string_view::npos)
      progress_.done = std::min(progress_.done + bytes_of(line.substr(bracket + 1)), progress_.total);
  const bool base = progress_.phase == "installing the base system";
  if (line.starts_with("Unpacking ") && !base) {
    begin("unpacking packages", packages_);
    progress_.done = std::min(progress_.done + 1, packages_);
  }
  if (line.starts_with("Setting up ")) {
    if (!base) begin("setting up packages", packages_);
    progress_.total = packages_;
    progress_.done = std::min(progress_.done + 1, packages_);
  }

  if (contains(line, "No space left on device") || contains(line, "Could not allocate block") ||
      contains(line, "Disk quota exceeded") || contains(line, "You don't have enough free space"))
    no_space_ = true;
  if (contains(line, "unshare: ") && contains(line, "failed")) no_namespaces_ = true;
  for (const auto sign : archive_signs)
    if (contains(line, sign)) {
      no_archive_ = true;
      if (archive_error_.empty()) archive_error_ = std::string(line.substr(line.find_first_not_of(' ')));
    }
  if (first_error_.empty() && (line.starts_with("E: ") || contains(line, ": error: ") || contains(line, "unshare: ")))
    first_error_ = std::string(line);
}

Failure BuildLog::failure(const std::string& subject, const std::string& mirror, const std::string& folder,
                          const std::string& file) const {
  const std::string all = "the whole log is in " + file;
  if (no_space_)
    return Failure(ANYVISOR_EXHAUSTED, "no space left for building " + subject + " in " + folder)
        .hint("make 3 GiB of room there, or set ANYVISOR_DEBIAN_CACHE to a folder that has it");
  if (no_archive_)
    return Failure(ANYVISOR_UNAVAILABLE, "Debian's archive" + (mirror.empty() ? "" : " " + mirror) +
                                             " cannot be reached for " + subject + ": " + archive_error_)
        .hint("see that 'apt update' works here, or name another archive with ANYVISOR_DEBIAN_MIRROR; " + all)
        .retry();
  if (no_namespaces_)
    return Failure(ANYVISOR_UNAVAILABLE,
                   subject + " cannot be built here: the kernel refuses namespaces (" + first_error_ + ")")
        .hint("as root: sysctl kernel.unprivileged_userns_clone=1; in a container, run it with --privileged");
  std::string why = !first_error_.empty() ? first_error_ : tail_.empty() ? "it printed nothing" : tail_.back();
  return Failure(ANYVISOR_BACKEND_FAILED, "building " + subject + " failed: " + why).hint(all);
}

}  // namespace debian_images
