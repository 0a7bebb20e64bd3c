// SPDX-License-Identifier: MIT
// JSON documents in the core: the SDK's readers and writers, and those that answer with a Result.
#pragma once

#include <anyvisor/json.hpp>

#include "anyvisor/result.hpp"

namespace anyvisor::json {

// Parses one JSON object. At most 4 MiB, valid UTF-8, nesting at most 64 deep. Errors: invalid_argument, with the
// offset. `what` names the document in the message ("instance.json of \"web\"").
Result<Document> parse_object(std::string_view text, std::string_view what);

// A missing member, or one of the wrong type, is invalid_argument with `field` = "/name".
Result<std::string> require_string(const Value& object, const char* name);
Result<std::uint64_t> require_uint(const Value& object, const char* name);

// Error <-> JSON as the wire and `--format json` have it: {"kind","message","field","hint","retry"}; empty members are
// left out.
Document from_error(const Error& error);
Error to_error(const Value& object);

// The text with every malformed UTF-8 sequence replaced by U+FFFD: for what others wrote (a program's stderr, file
// names) before it goes into a document. Readers refuse documents with malformed UTF-8.
std::string valid_utf8(std::string_view text);

}  // namespace anyvisor::json
