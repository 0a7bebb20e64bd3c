// SPDX-License-Identifier: MIT
#pragma once

#include <anyvisor/manager.hpp>
#include <string>

namespace anyvisor::cli {

// "web:/etc/motd" is in the guest of "web"; anything whose first colon comes after a slash, or that has none, is on
// this machine, and so "./a:b" names a file with a colon.
CopyPlace parse_place(const std::string& text);

}  // namespace anyvisor::cli
