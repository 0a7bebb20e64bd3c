// SPDX-License-Identifier: MIT
// Landlock holds Cloud Hypervisor to the files that it was started with.
#pragma once

namespace anyvisor::cloud_hypervisor {

// The version of Landlock that this kernel has, 0: none. [any thread]
int landlock_version();
// The one that Cloud Hypervisor asks for.
inline constexpr int landlock_needed = 3;

}  // namespace anyvisor::cloud_hypervisor
