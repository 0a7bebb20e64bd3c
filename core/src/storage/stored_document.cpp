// SPDX-License-Identifier: MIT
#include "storage/stored_document.hpp"

#include <string>

namespace anyvisor {

Result<json::Document> parse_stored(std::string_view text, std::string_view what, std::uint64_t newest_schema) {
  auto document = json::parse_object(text, what);
  if (!document) {
    document.error().kind = ErrorKind::corrupted;
    return document;
  }
  auto schema = json::uint_or(*document, "schema", 0);
  if (schema > newest_schema)
    return fail(ErrorKind::unsupported,
                std::string(what) + " was written by a newer anyvisor (schema " + std::to_string(schema) + ")",
                "use that version, or a newer one", "/schema");
  return document;
}

}  // namespace anyvisor
