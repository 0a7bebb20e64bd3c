// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "document/json.hpp"

namespace anyvisor::json {

// Is `schema` a JSON Schema (draft-04) that our checker can work with? RapidJSON takes it for granted and aborts the
// program or ignores the rule otherwise. Beyond the language itself: each "$ref" leads to a schema inside the document,
// and each "pattern" keeps to what RapidJSON's regular expressions know: characters, escapes of special characters,
// '.', classes, groups, '|', '?', '*', '+', '{n,m}', and
// '^' and '$' only at the ends. Errors: corrupted, with `what` ("the settings schema of plugin \"x\"") and what is
// wrong.
Result<void> check_schema_language(const Document& schema, std::string_view what);

// The name under which check_schema() knows the schema of schemas.
constexpr std::string_view schema_language = "draft-04";

// Is this one of the regular expressions described above?
bool is_supported_pattern(std::string_view pattern);

}  // namespace anyvisor::json
