// SPDX-License-Identifier: MIT
// What both sides of the plugin-host's protocol agree on (ARCHITECTURE.md).
#pragma once

#include <anyvisor/plugin.h>

namespace anyvisor::host {

inline constexpr int protocol_version = 1;

#define ANYVISOR_TEXT_INNER(x) #x
#define ANYVISOR_TEXT(x) ANYVISOR_TEXT_INNER(x)
// In the hello, for people who look at a log: versions are compared, builds are not.
inline constexpr const char* build_of_this =
    "plugin ABI " ANYVISOR_TEXT(ANYVISOR_ABI_MAJOR) "." ANYVISOR_TEXT(ANYVISOR_ABI_MINOR) ", compiler " __VERSION__;
#undef ANYVISOR_TEXT
#undef ANYVISOR_TEXT_INNER

// Exit codes of the plugin-host.
inline constexpr int exit_watchdog = 70;  // EX_SOFTWARE: a plugin did not return; the VMM is left running
inline constexpr int exit_no_lock = 75;   // EX_TEMPFAIL: another plugin-host serves this instance

}  // namespace anyvisor::host
