# SPDX-License-Identifier: MIT
# Writes ${OUTPUT}: a table of the published schemas, name and text. Run by CMake at build time.
set(entries "")
foreach(file ${SCHEMAS})
  get_filename_component(name ${file} NAME)
  string(REPLACE ".schema.json" "" name ${name})
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"schema(${text})schema\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/EmbedSchemas.cmake from sdk/schemas/.
#include \"document/schema_texts.hpp\"

namespace anyvisor::json {
const std::vector<std::pair<std::string_view, std::string_view>>& schema_texts() {
  static const std::vector<std::pair<std::string_view, std::string_view>> texts = {
${entries}  };
  return texts;
}
}  // namespace anyvisor::json
")
