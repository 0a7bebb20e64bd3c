// SPDX-License-Identifier: MIT
// Help texts, made from the command table.
#pragma once

#include <string>
#include <string_view>

#include "command.hpp"

namespace anyvisor::cli {

// The overview. `complete`: with the global options and the exit codes.
std::string overview(bool complete);
// The commands of one group: "image".
std::string group_help(std::string_view group);
std::string command_help(const Command& command);

}  // namespace anyvisor::cli
