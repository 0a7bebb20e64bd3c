// SPDX-License-Identifier: MIT
// What a build needs of this machine.
#pragma once

#include <string>
#include <vector>

namespace debian_images {

struct Requirement {
  std::string name;     // as the capability report has it: "mmdebstrap"
  std::string purpose;  // "builds the root file system"
  std::string package;  // Debian's, that brings it
  bool met = false;
  std::string reason;   // why not, one sentence; empty when met
  std::string command;  // mends what no package does; empty: installing the package does
};

// In the order in which a build needs them. Looks at PATH and the sbin folders; starts nothing.
std::vector<Requirement> requirements();

// One command for all that is not met; empty when nothing is missing.
std::string remedy(const std::vector<Requirement>& all);

// PATH with the sbin folders, which a plain user's may lack.
std::string search_path();

}  // namespace debian_images
