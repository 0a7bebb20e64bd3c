// SPDX-License-Identifier: MIT
// Cloud Hypervisor runs under KVM or not at all.
#pragma once

#include <string>

namespace anyvisor::cloud_hypervisor {

// Why /dev/kvm cannot be used, with the user in mind; empty: it opens and speaks KVM's interface. Whether guests run
// well on it is not asked. [any thread]
std::string why_no_kvm();

// The version of Landlock that this kernel has, 0: none. [any thread]
int landlock_version();
// The one that Cloud Hypervisor asks for.
inline constexpr int landlock_needed = 3;

}  // namespace anyvisor::cloud_hypervisor
