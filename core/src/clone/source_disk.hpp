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

// Of a locked source with a disk, stopped or with a VMM: chooses the strategy, merges the disks of a chain that would
// become too long, freezes. Where `chosen.overlays` is false nothing is frozen: the caller keeps the source's lock as
// long as it reads its disk. The chain under a VMM is not merged. The caller has a staged folder. Errors:
// invalid_argument (/disk), unsupported (/strategy), exhausted (it runs, and its chain is too long), those of
// shorten_chain, freeze_top and freeze_live_top.
Result<SourceDisk> take_source_disk(const Workspace& workspace, LockedInstance& source, State state,
                                    const CloneRequest& request, PhaseClock& clock);

}  // namespace anyvisor
