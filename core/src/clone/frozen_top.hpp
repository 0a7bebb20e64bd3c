// SPDX-License-Identifier: MIT
// What a clone stands on: the source's disk as it is now, frozen. The source itself goes on on a new overlay.
#pragma once

#include "instance/locked_instance.hpp"

namespace anyvisor {

// What a disk was caught in; `info` shows the words.
inline constexpr const char* was_stopped = "stopped";                      // nothing wrote to it
inline constexpr const char* file_systems_frozen = "file-systems-frozen";  // by the guest itself: all it had is there
inline constexpr const char* crash_consistent = "crash-consistent";        // as after a power cut

struct FrozenTop {
  Disk disk;                       // frozen: the source and its clones stand on it
  std::uint64_t virtual_size = 0;  // of the source's own disk, which may have been grown over it
  std::string consistency = was_stopped;
  std::string consistency_reason;  // why it is crash-consistent only
};

// The source is stopped and its lock is held; the caller holds disks.lock (shared). While the source has written
// nothing since the last time, the same disk is answered. Killed at any point, the source keeps all that it has.
// Errors: corrupted, exhausted, as fail_errno.
Result<FrozenTop> freeze_top(const Workspace& workspace, LockedInstance& source);

}  // namespace anyvisor
