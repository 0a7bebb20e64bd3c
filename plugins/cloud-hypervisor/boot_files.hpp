// SPDX-License-Identifier: MIT
// What a guest may be booted from: looked at before a VMM is started, for Cloud Hypervisor looks only when it boots.
#pragma once

#include <string>

namespace anyvisor::cloud_hypervisor {

// `path` begins like a kernel that Cloud Hypervisor loads: a bzImage, or a 64-bit ELF file. Whether that has a PVH note
// is Cloud Hypervisor's to find. Failure INVALID_ARGUMENT with the field /boot/kernel. [any thread]
void require_kernel(const std::string& path);

}  // namespace anyvisor::cloud_hypervisor
