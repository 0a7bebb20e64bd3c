// SPDX-License-Identifier: MIT
// What a clone makes of its source's disk before anything is made of the clone itself.
#pragma once

#include "clone/frozen_top.hpp"
#include "clone/strategy.hpp"
#include "instance/phase_clock.hpp"

namespace anyvisor {

struct SourceDisk {
  FrozenTop top;
  ChosenStrategy chosen;
  bool merged = false;  // the chain was: there may be disks to collect
};

// Of a stopped and locked source with a disk: chooses the strategy, merges the disks of a chain that would become too
// long, freezes. Where `chosen.overlays` is false nothing is frozen: the caller keeps the source's lock as long as it
// reads its disk. The caller has a staged folder. Errors: invalid_argument (/disk), unsupported (/strategy), those of
// shorten_chain and freeze_top.
Result<SourceDisk> take_source_disk(const Workspace& workspace, LockedInstance& source, const CloneRequest& request,
                                    PhaseClock& clock);

}  // namespace anyvisor
