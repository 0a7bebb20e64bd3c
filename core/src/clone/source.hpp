// SPDX-License-Identifier: MIT
// The machine that is cloned or prepared: found, locked, and in a state in which that can be done.
#pragma once

#include "instance/locked_instance.hpp"

namespace anyvisor {

struct CloneSource {
  LockedInstance locked;
  State state = State::stopped;
};

// Stopped, in Standby, or with a VMM that answers. Errors: those of lock_instance; invalid_state.
Result<CloneSource> lock_source(const Workspace& workspace, const std::string& name);
// Stopped. `what` is not to be done with it else: "prepare".
Result<LockedInstance> lock_stopped_source(const Workspace& workspace, const std::string& name,
                                           const std::string& what);

}  // namespace anyvisor
