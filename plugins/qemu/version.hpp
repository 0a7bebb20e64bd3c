// SPDX-License-Identifier: MIT
// QEMU's program on this host: where it is, which file that is, what version it tells.
#pragma once

#include <anyvisor/plugin.hpp>
#include <string>

#include "local-vmm/program.hpp"

namespace anyvisor::qemu {

using sdk::Binary;

// Looks `name` up, on PATH unless it is a path. Throws Failure UNAVAILABLE with what to install. [any thread]
Binary find_binary(const std::string& name);

// "7.2.22", from `--version`; asked once for each binary in the life of this process (20 to 60 ms). A running QEMU
// tells its version for nothing, in its QMP greeting: not for the way of a launch. Throws Failure.
std::string query_version(const sdk::Host& host, const sdk::Context& context, const Binary& binary);

// The version in what --version prints; empty when there is none. [any thread]
std::string parse_version(const std::string& printed);

}  // namespace anyvisor::qemu
