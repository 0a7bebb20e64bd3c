// SPDX-License-Identifier: MIT
// Chains of disks: how long one may get, and making one short again.
#pragma once

#include "instance/locked_instance.hpp"
#include "instance/phase_clock.hpp"

namespace anyvisor {

// Disks on each other that a machine may have. Beyond it, every read that misses goes through many files; some VMMs
// open no more than 10.
inline constexpr std::size_t longest_chain = 8;

// Would the source or its clone have a longer one, once a clone is made? `prepared`: it will stand on a generalised
// disk.
Result<bool> clone_is_too_long(const Workspace& workspace, const InstanceRecord& source, bool prepared);

// All disks of the chain but the lowest become one. The lowest stays what it is: mostly an image, on which others stand
// as well. The instance is stopped and locked, and the caller has a staged folder: it keeps collections away, and tells
// the next command that there may be disks to collect. Killed at any point, the instance has its old chain or the new
// one. Errors: unavailable, exhausted, cancelled, corrupted, backend_failed.
Result<void> shorten_chain(const Workspace& workspace, LockedInstance& instance, PhaseClock& clock);

}  // namespace anyvisor
