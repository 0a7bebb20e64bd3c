// SPDX-License-Identifier: MIT
// What `cloud-init status` says, and what it means for who waits.
#pragma once

#include "anyvisor/guest.hpp"
#include "process/spawn.hpp"

namespace anyvisor {

// Waits in the guest until cloud-init has ended, and tells how.
inline constexpr const char* cloud_init_command =
    "command -v cloud-init >/dev/null || exit 127; LC_ALL=C cloud-init status --wait --long";

// Done: fine. Done with recoverable errors ("degraded", exit code 2): a warning. Errors: backend_failed with its
// detail; unsupported (no cloud-init in this guest, or one that is switched off).
Result<WaitResult> judge_cloud_init(const std::string& instance, const Captured& answer);

}  // namespace anyvisor
