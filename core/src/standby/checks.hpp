// SPDX-License-Identifier: MIT
// Whether a saved state is whole, is this machine's, and fits what the machine is now. A VMM finds out nothing of that:
// it takes a flipped byte or another device, and reports a running guest.
#pragma once

#include "instance/workspace.hpp"
#include "standby/manifest.hpp"

namespace anyvisor {

// Reads only, starts nothing. What the files of a backend's own form hold beyond size and digest (whose RAM it is) the
// backend checks, before its VMM starts. Errors: corrupted (files), invalid_state (another machine, other hardware,
// used already, a disk that was written to), not_found (the memory is lost).
Result<void> check_saved_state(const Workspace& workspace, const InstanceRecord& record, const Manifest& manifest);

}  // namespace anyvisor
