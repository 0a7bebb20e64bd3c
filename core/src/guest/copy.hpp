// SPDX-License-Identifier: MIT
// Files into guests, out of them, and from one to another by way of this machine.
#pragma once

#include <map>
#include <string>

#include "anyvisor/guest.hpp"
#include "guest/ssh_access.hpp"
#include "instance/phase_clock.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

Result<void> copy(const Workspace& workspace, const CopyRequest& request, Operation& operation);
// The same, for accesses that are known, by the names that the request uses.
Result<void> copy_over_ssh(const std::map<std::string, SshAccess>& accesses, const CopyRequest& request, int cancel_fd);

}  // namespace anyvisor
