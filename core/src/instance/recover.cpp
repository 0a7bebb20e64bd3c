// SPDX-License-Identifier: MIT
#include "instance/recover.hpp"

#include "instance/grow_disk.hpp"
#include "instance/intent.hpp"
#include "instance/machine_control.hpp"
#include "instance/put_away.hpp"
#include "standby/recover_standby.hpp"
#include "standby/restore.hpp"

namespace anyvisor {

Result<std::optional<LockedInstance>> recover(const Workspace& workspace, LockedInstance locked) {
  ANYVISOR_TRY(auto intent, read_intent(locked.folder));
  if (!intent) return std::optional<LockedInstance>(std::move(locked));

  if (intent->operation == "standby" || intent->operation == "restore") {
    ANYVISOR_TRY(const bool done, recover_standby(workspace, locked, *intent));
    if (done) ANYVISOR_CHECK(clear_intent(locked.folder));
    return std::optional<LockedInstance>(std::move(locked));
  }
  Operation quiet;
  State state = observe(workspace, locked.record).state;
  bool runs = state == State::running || state == State::paused;
  bool gone = false;
  if (state == State::unknown && (intent->operation == "launch" || intent->operation == "start")) {
    // A VMM that does not answer now may have a running guest: nothing is taken from it. `stop --force` and `delete
    // --force` still work.
    return std::optional<LockedInstance>(std::move(locked));
  }
  if (intent->operation == "launch") {
    gone = !runs;
    if (gone) ANYVISOR_CHECK(end_vmm(workspace, locked.record, quiet));
  } else if (intent->operation == "start") {
    if (!runs) ANYVISOR_CHECK(end_vmm(workspace, locked.record, quiet));
  } else if (intent->operation == "stop") {
    if (intent->force || !runs) ANYVISOR_CHECK(end_vmm(workspace, locked.record, quiet));
  } else if (intent->operation == "delete") {
    ANYVISOR_CHECK(discard_saved_memory(workspace, locked));
    ANYVISOR_CHECK(mark_deleted(locked));
  } else if (intent->operation == "set") {
    ANYVISOR_CHECK(describe_grown_disk(workspace, locked.record));
  } else {  // purge
    gone = true;
    ANYVISOR_CHECK(end_vmm(workspace, locked.record, quiet));
  }
  if (gone) {
    ANYVISOR_CHECK(dispose(workspace, std::move(locked)));
    return std::optional<LockedInstance>();
  }
  ANYVISOR_CHECK(clear_intent(locked.folder));
  return std::optional<LockedInstance>(std::move(locked));
}

}  // namespace anyvisor
