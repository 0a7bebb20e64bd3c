// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace anyvisor {

// The environment of a child: PATH, HOME, LANG, TMPDIR, XDG_RUNTIME_DIR and every ANYVISOR_* of ours, and `added`
// (NAME=value), which replaces what has the same name. In sanitizer builds their options pass too.
std::vector<std::string> clean_environment(const std::vector<std::string>& added);

}  // namespace anyvisor
