// SPDX-License-Identifier: MIT
// Whole commands, as a person runs them.
#pragma once

#include <string>
#include <vector>

namespace anyvisor::bench {

// Seconds from exec to exit. Its output is dropped; `environment`: "NAME=VALUE", added to this process's.
// Throws std::runtime_error when it cannot be started or its exit code is not 0.
double run_command(const std::vector<std::string>& words, const std::vector<std::string>& environment = {});
bool is_installed(const std::string& program);

}  // namespace anyvisor::bench
