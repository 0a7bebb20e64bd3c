// SPDX-License-Identifier: MIT
// What sources.py has made: stopped machines in one home folder, each with a copy for the peers to work on.
#pragma once

#include <string>
#include <vector>

namespace anyvisor::bench {

struct Source {
  std::string name;
  std::string peer;  // a folder with disk.qcow2 (one file, no backing file), seed.iso and instance.json
};

struct Sources {
  std::string home, cli;
  std::string scratch;  // a folder on the same file system
  std::vector<Source> all;
};

// From `folder`/sources.json. Throws std::runtime_error.
Sources read_sources(const std::string& folder, const std::string& cli);

}  // namespace anyvisor::bench
