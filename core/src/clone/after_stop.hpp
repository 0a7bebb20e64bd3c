// SPDX-License-Identifier: MIT
#pragma once

#include "instance/workspace.hpp"

namespace anyvisor {

// With the setting clone.prepare_after_stop, starts a background job that prepares the machine that was stopped.
// Returns a warning for people when that cannot be; empty: all is well, or nothing is to be done.
std::string prepare_after_stop(const Workspace& workspace, const std::string& id);

}  // namespace anyvisor
