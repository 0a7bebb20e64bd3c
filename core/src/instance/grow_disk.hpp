// SPDX-License-Identifier: MIT
// A stopped machine's disk gets larger. The instance's lock is held, and its intent "set" is written.
#pragma once

#include "instance/locked_instance.hpp"
#include "instance/phase_clock.hpp"

namespace anyvisor {

// Its file first, then what is written down of it. Errors: unavailable (no disk image tool), exhausted, backend_failed.
Result<void> grow_own_disk(const Workspace& workspace, const InstanceRecord& record, std::uint64_t size,
                           PhaseClock& clock);
// What is written down of its disk is as large as the file is: after a growth that was killed. Nothing to be done: no
// error.
Result<void> describe_grown_disk(const Workspace& workspace, const InstanceRecord& record);

}  // namespace anyvisor
