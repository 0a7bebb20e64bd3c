// SPDX-License-Identifier: MIT
#include "standby/recover_standby.hpp"

#include "instance/machine_control.hpp"
#include "standby/saved_folder.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds host_patience{10000};

// Its guest stands still between two steps. First, no state of it can be restored any more.
Result<void> let_guest_go_on(const Workspace& workspace, const LockedInstance& locked) {
  Operation quiet;
  ANYVISOR_CHECK(drop_manifest(locked.folder));
  ANYVISOR_TRY(auto machine, MachineControl::reach(workspace, locked.record, host_patience));
  return machine.resume(quiet);
}

}  // namespace

Result<bool> recover_standby(const Workspace& workspace, LockedInstance& locked, const Intent& intent) {
  Operation quiet;
  // Published by this standby, or not yet consumed by this restore: Standby.
  const auto manifest = read_manifest(locked.folder);
  if (manifest && *manifest && (*manifest)->save == intent.save) {
    ANYVISOR_CHECK(end_vmm(workspace, locked.record, quiet));
    return true;
  }
  const State state = observe_vmm(workspace, locked.record).state;
  if (state == State::unknown) return false;
  const bool has_vmm = state != State::stopped;
  const bool stands = state == State::paused || state == State::created;
  if (intent.operation == "restore") {
    // Used: the guest goes on, or the memory is lost.
    if (has_vmm && locked.record.restored_save != intent.save) {
      locked.record.restored = now_utc();
      locked.record.restored_took = std::chrono::microseconds(0);
      locked.record.restored_save = intent.save;
      ANYVISOR_CHECK(write_instance(locked.folder, locked.record, "restore.record-use"));
    }
    if (stands) ANYVISOR_CHECK(let_guest_go_on(workspace, locked));
  } else if (stands && intent.was_running) {
    ANYVISOR_CHECK(let_guest_go_on(workspace, locked));
  }
  if (has_vmm) {
    drop_device_state(locked.folder);
    return true;
  }
  ANYVISOR_CHECK(drop_saved_state(locked.folder, true));
  let_go_of_kept_memory(locked.folder);
  return true;
}

}  // namespace anyvisor
