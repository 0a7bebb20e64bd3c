# SPDX-License-Identifier: MIT
# Writes ${OUTPUT}: the texts of ${FILES} as the constants that recipe.hpp declares. Run by CMake at build time.
set(entries "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  string(MAKE_C_IDENTIFIER ${name} name)
  file(READ ${file} text)
  string(APPEND entries "const std::string_view ${name} = R\"recipe(${text})recipe\";\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by recipe/embed.cmake.
#include \"recipe.hpp\"

namespace debian_images::recipe {
${entries}}  // namespace debian_images::recipe
")
