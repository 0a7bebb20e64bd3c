// SPDX-License-Identifier: MIT
// What the commands that wait for a guest say alike.
#pragma once

#include <anyvisor/manager.hpp>
#include <string>

#include "arguments.hpp"
#include "command.hpp"

namespace anyvisor::cli {

// "90", "90s", "5m", "1h": seconds without a unit. Throws UsageError naming the option.
std::chrono::milliseconds duration(const Arguments& arguments, std::string_view option,
                                   std::chrono::milliseconds fallback);
// Of launch and start: --wait with its --timeout. `usual`: what is waited for without.
inline constexpr Option wait_option{"wait", 0, "running|ssh|cloud-init",
                                    "Wait until the guest has got so far (see 'anyvisor wait --help')"};
inline constexpr Option wait_timeout_option{"timeout", 0, "TIME",
                                            "How long to wait: seconds, or 5m, 1h; 0: for ever (default: 10m)"};
WaitRequest read_wait(const Arguments& arguments, const std::string& usual);

}  // namespace anyvisor::cli
