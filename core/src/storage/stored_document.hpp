// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "document/json.hpp"

namespace anyvisor {

// Parses a document of the home folder. `what` names it in messages; `newest_schema` is the newest that this program
// knows. A missing schema counts as 0: it is for the caller to refuse. Errors: corrupted; unsupported (a newer schema:
// it is left alone).
Result<json::Document> parse_stored(std::string_view text, std::string_view what, std::uint64_t newest_schema);

}  // namespace anyvisor
