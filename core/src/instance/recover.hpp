// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "instance/locked_instance.hpp"

namespace anyvisor {

// Finishes or undoes what intent.json tells of; without one, nothing. Returns the instance, still locked, or
// std::nullopt when it is gone now.
//   launch  its VMM runs: finished. Else undone: the instance goes, as a failed launch leaves no trace.
//   start   its VMM runs: finished. Else undone: the VMM, if any, ends; Stopped.
//   stop    forced, or the guest is off: finished. Else undone: the guest was only asked and decides for itself.
//   delete  finished.
//   standby, restore  see standby/recover_standby.hpp.
// Where the VMM does not answer, a launch, start, standby or restore stays as it is, intent and all.
// Errors: unsupported (an intent of a newer schema, left alone), corrupted, and those of ending a VMM.
Result<std::optional<LockedInstance>> recover(const Workspace& workspace, LockedInstance locked);

}  // namespace anyvisor
