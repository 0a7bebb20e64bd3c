# SPDX-License-Identifier: MIT
# Writes ${OUTPUT}: the bytes of ${INPUT} as probe_guest(). Run by CMake at build time.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" text "${hex}")
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
file(WRITE ${OUTPUT} "// Made from probe.S by embed.cmake.
#include \"probe_guest.hpp\"

namespace anyvisor::sdk {
std::string_view probe_guest() {
  static const char bytes[] = \"${text}\";
  return {bytes, ${size}};
}
}  // namespace anyvisor::sdk
")
