// SPDX-License-Identifier: MIT
// What the commands that wait for a guest say alike.
#pragma once

#include <anyvisor/manager.hpp>
#include <string>

#include "arguments.hpp"

namespace anyvisor::cli {

// "90", "90s", "5m", "1h": seconds without a unit. Throws UsageError naming the option.
std::chrono::milliseconds duration(const Arguments& arguments, std::string_view option,
                                   std::chrono::milliseconds fallback);
// "running", "ssh", ...; "none": nothing.
WaitFor wait_for_of(const std::string& word);

}  // namespace anyvisor::cli
