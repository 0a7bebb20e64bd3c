// SPDX-License-Identifier: MIT
// A seed that is to be written at the next start: a clone is made without a plugin-host, which is what writes seeds.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/phase_clock.hpp"
#include "instance/staged_folder.hpp"

namespace anyvisor {

// The seed's files, into `staged`/seed.json (mode 0600).
Result<void> stage_seed(const std::vector<std::pair<std::string, std::string>>& files, StagedFolder& staged);

// Has the seed written where one is pending, as a phase of its own; else does nothing.
Result<void> write_pending_seed(LockedInstance& locked, MachineControl& machine, PhaseClock& clock);

}  // namespace anyvisor
