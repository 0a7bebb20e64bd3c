// SPDX-License-Identifier: MIT
// What of the instance's folder is Cloud Hypervisor's.
#pragma once

#include "local-vmm/instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {

using sdk::Descriptor;
using sdk::InstanceFolder;

inline constexpr const char* api_socket = "api.sock";
// Made by the VMM: "CONNECT port" and a newline written to it lead to a port of the guest's.
inline constexpr const char* vsock_socket = "vsock.sock";
// There once the guest has been booted: the VMM itself calls a guest that has powered off "Created", too.
inline constexpr const char* booted_marker = "guest-booted";

}  // namespace anyvisor::cloud_hypervisor
