// SPDX-License-Identifier: MIT
// The plugin-host's own log: logs/anyvisor.log of the instance; for a private one standard error, when ANYVISOR_LOG is
// set.
#pragma once

#include <string>

namespace anyvisor::host {

// Empty `file`: standard error.
void open_log(const std::string& file);
// `level`: ANYVISOR_LOG_*. [any thread]
void write_log(int level, const std::string& line);

}  // namespace anyvisor::host
