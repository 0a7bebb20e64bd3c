// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace anyvisor::cli {

// What `launch --cloud-init` names: a file, or "-" for standard input. Whether it is good user data the library says.
// Throws UsageError (a folder, nothing in it) or Failed.
std::string read_user_data(const std::string& file);

}  // namespace anyvisor::cli
