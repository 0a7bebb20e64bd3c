// SPDX-License-Identifier: MIT
// Waiting for a guest: for its state, for its ssh server, for its cloud-init.
#pragma once

#include "anyvisor/guest.hpp"
#include "instance/phase_clock.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

// Phases: "guest boot" until the machine runs or its ssh answers, "cloud-init", "guest end".
Result<WaitResult> wait_for(const Workspace& workspace, const std::string& instance, const WaitRequest& request,
                            PhaseClock& clock);

// The end of launch and start: waits, and tells what the instance is then. A failure says that the instance stays.
// `done`: "launched".
Result<InstanceInfo> wait_after(const Workspace& workspace, const std::string& id, const std::string& done,
                                WaitRequest request, PhaseClock& clock);

}  // namespace anyvisor
