// SPDX-License-Identifier: MIT
// What Manager does inside guests. manager.hpp says what each means and which errors it has.
#pragma once

#include "anyvisor/guest.hpp"
#include "guest/ssh_access.hpp"
#include "instance/phase_clock.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

Result<int> exec(const Workspace& workspace, const std::string& instance, const ExecRequest& request,
                 Operation& operation);
// The same, for an access that is known.
Result<int> exec_over_ssh(const SshAccess& access, const ExecRequest& request, int cancel_fd);

}  // namespace anyvisor
