// SPDX-License-Identifier: MIT
// The guest that the probe boots (probe.S), as bytes of the plugin: nothing to install or to find.
#pragma once

#include <string_view>

namespace anyvisor::sdk {

// What it prints on COM1 once its work is done.
inline constexpr const char* probe_marker = "anyvisor-probe-ok";

// An ELF file with a PVH note. Defined in a file that the build makes from probe.S. [any thread]
std::string_view probe_guest();

}  // namespace anyvisor::sdk
