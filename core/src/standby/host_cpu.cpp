// SPDX-License-Identifier: MIT
#include "standby/host_cpu.hpp"

#include <sstream>

#include "standby/digest.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

std::string describe_host_cpu() {
  constexpr std::size_t limit = 64U << 20;
  const auto text = read_file("/proc/cpuinfo", limit);
  if (!text) return {};
  std::istringstream lines(*text);
  std::string described;
  // The first processor is as good as the others.
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    const std::string name = line.substr(0, line.find_first_of("\t:"));
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string value = line.substr(colon + 2);
    if (name == "flags") {
      constexpr std::size_t shown = 7 + 12;  // "sha256:" and as many digits as tell two apart
      auto digest = digest_of_text(value);
      value = digest ? "flags " + digest->substr(0, shown) : "";
    } else if (name == "cpu family" || name == "model" || name == "stepping") {
      value = name + " " + value;
    } else if (name != "vendor_id" && name != "model name") {
      continue;
    }
    described += (described.empty() ? "" : ", ") + value;
  }
  return described;
}

}  // namespace anyvisor
