// SPDX-License-Identifier: MIT
// The disk of a source whose VMM is there, frozen without stopping it: the VMM goes on to a new overlay.
#pragma once

#include "clone/frozen_top.hpp"
#include "instance/phase_clock.hpp"

namespace anyvisor {

// As freeze_top() for a source with a VMM (Running, Paused, Shutdown, Created); a Running guest's file systems are
// frozen for that moment where its agent answers. When the VMM ends meanwhile, what it has left is answered. Killed at
// any point, here or in the plugin-host or the VMM, the source runs on or can be started, with all of its data. Errors:
// unsupported (the backend cannot, with its reason), cancelled, backend_failed, unavailable, timeout, as freeze_top.
Result<FrozenTop> freeze_live_top(const Workspace& workspace, LockedInstance& source, PhaseClock& clock);

}  // namespace anyvisor
