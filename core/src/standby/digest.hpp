// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "anyvisor/result.hpp"

namespace anyvisor {

// "sha256:<hex>" of a file, not through a link at its end. Errors as fail_errno. [any thread]
Result<std::string> digest_of_file(const std::string& path);
// The same of a text. [any thread]
Result<std::string> digest_of_text(std::string_view text);

}  // namespace anyvisor
