// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace anyvisor {

// `text` with each {name} that `values` has replaced by its value; other braces stay as they are, and values are not
// looked into. [any thread]
std::string fill_in(std::string_view text, const std::map<std::string, std::string>& values);

}  // namespace anyvisor
