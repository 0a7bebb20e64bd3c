// SPDX-License-Identifier: MIT
// What a build prints, read line by line: how far it is, and why it failed.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace debian_images {

struct BuildProgress {
  std::string phase;        // in words
  std::uint64_t done = 0;   // bytes where `phase` downloads, else packages
  std::uint64_t total = 0;  // 0: not known
  bool operator==(const BuildProgress&) const = default;
};

// One thread at a time.
class BuildLog {
 public:
  // One line of the recipe, of mmdebstrap or of apt, without its newline.
  void add(std::string_view line);
  const BuildProgress& progress() const { return progress_; }
  // The last lines, oldest first.
  const std::deque<std::string>& tail() const { return tail_; }
  // What made the build fail, as one sentence, with what to do next. `subject`: what was being built; `mirror`: the
  // archive, empty: Debian's own; `folder`: where it is built; `file`: where all of this log is.
  anyvisor::sdk::Failure failure(const std::string& subject, const std::string& mirror, const std::string& folder,
                                 const std::string& file) const;

 private:
  void begin(std::string phase, std::uint64_t total);

  BuildProgress progress_{"starting", 0, 0};
  std::uint64_t packages_ = 0, bytes_ = 0;  // of the run of apt that is under way
  bool no_space_ = false, no_archive_ = false, no_namespaces_ = false;
  std::string first_error_, archive_error_;
  std::deque<std::string> tail_;
};

}  // namespace debian_images
