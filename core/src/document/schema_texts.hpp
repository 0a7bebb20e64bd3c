// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace anyvisor::json {

// Name and text of every file of sdk/schemas/; made at build time.
const std::vector<std::pair<std::string_view, std::string_view>>& schema_texts();

}  // namespace anyvisor::json
