// SPDX-License-Identifier: MIT
// Manual pages, made from the command table as help.cpp makes help texts.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace anyvisor::cli {

// File names ("anyvisor-launch.1") and their roff, one for each command that is shown and "anyvisor.1" for all.
std::vector<std::pair<std::string, std::string>> manual_pages();

}  // namespace anyvisor::cli
