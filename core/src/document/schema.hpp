// SPDX-License-Identifier: MIT
// JSON Schema (draft-04) checks of documents that cross the plugin boundary.
#pragma once

#include <string_view>

#include "document/json.hpp"

namespace anyvisor::json {

// Checks `value` against the published schema `name` ("machine", "endpoint", ... the file
// sdk/schemas/<name>.schema.json, compiled in). Errors: invalid_argument, `field` the JSON pointer of what is wrong,
// message with the violated keyword.
Result<void> check_schema(const Value& value, std::string_view name);
// The same against a schema text that a plugin handed out. Errors: invalid_argument; corrupted when the schema itself
// is none.
Result<void> check_schema_text(const Value& value, std::string_view schema_text, std::string_view what);
// The text of a published schema, or empty.
std::string_view schema_text(std::string_view name);

}  // namespace anyvisor::json
