// SPDX-License-Identifier: MIT
// What of the instance's folder is QEMU's.
#pragma once

#include "local-vmm/instance_folder.hpp"

namespace anyvisor::qemu {

using sdk::Descriptor;
using sdk::InstanceFolder;

inline constexpr const char* qmp_socket = "qmp.sock";
inline constexpr const char* console_socket = "console.sock";
inline constexpr const char* agent_socket = "agent.sock";

}  // namespace anyvisor::qemu
