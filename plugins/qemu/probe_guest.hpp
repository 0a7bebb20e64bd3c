// SPDX-License-Identifier: MIT
// The guest that the accelerator probe boots (probe/probe.S), as bytes of this plugin: nothing to install or to find.
#pragma once

#include <string_view>

namespace anyvisor::qemu {

inline constexpr const char* probe_marker = "anyvisor-probe-ok";

// An ELF file with a PVH note. Defined in a file that the build makes from probe/.
std::string_view probe_guest();

}  // namespace anyvisor::qemu
