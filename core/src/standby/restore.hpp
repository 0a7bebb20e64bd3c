// SPDX-License-Identifier: MIT
#pragma once

#include "instance/locked_instance.hpp"
#include "instance/phase_clock.hpp"

namespace anyvisor {

// Standby > Running, of a locked instance that is in Standby. What does not fit is refused before anything is changed.
// `operation`: what it is recorded as. Errors: those of check_saved_state; exhausted, backend_failed, unavailable: then
// it is in Standby as before.
Result<void> restore_locked(const Workspace& workspace, LockedInstance& locked, const std::string& operation,
                            PhaseClock& clock);

// Standby > Stopped: gives the saved memory up, whatever it is worth.
Result<void> discard_saved_memory(const Workspace& workspace, const LockedInstance& locked);

}  // namespace anyvisor
