// SPDX-License-Identifier: MIT
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/pending_seed.hpp"
#include "instance/state_machine.hpp"
#include "standby/restore.hpp"
#include "standby/saved_folder.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds host_patience{10000};

Result<void> go(const std::vector<State>& hops, LockedInstance& locked, MachineControl& machine, PhaseClock& clock) {
  for (State hop : hops) {
    if (hop == State::created) {
      clock.begin("capabilities");
      ANYVISOR_CHECK(machine.check_capabilities(clock.operation()));
      ANYVISOR_CHECK(write_pending_seed(locked, machine, clock));
      clock.begin("VMM start");
      ANYVISOR_TRY(std::string hardware, machine.create(clock.operation()));
      locked.record.hardware = std::move(hardware);
    } else if (hop == State::running) {
      clock.begin("boot");
      ANYVISOR_CHECK(machine.boot(clock.operation()));
    } else {
      return fail(ErrorKind::internal, "a start goes by Created and Running");
    }
  }
  return {};
}

}  // namespace

Result<Changed> start(const Workspace& workspace, const std::string& instance, const StartRequest& request,
                      PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  State from = observe(workspace, locked.record).state;
  if (from == State::standby && request.discard_memory) {
    clock.begin("discard");
    if (auto discarded = discard_saved_memory(workspace, locked); !discarded)
      return in_context("cannot give up the saved memory of \"" + locked.record.name + "\"",
                        std::move(discarded).error());
    from = State::stopped;
  }
  ANYVISOR_TRY(auto hops, plan_hops(Verb::start, from, locked.record.name));
  if (hops.empty()) return Changed{locked.record.id, true};
  if (from == State::standby) {
    ANYVISOR_CHECK(restore_locked(workspace, locked, "start", clock));
    return Changed{locked.record.id};
  }

  clock.begin("plugin-host");
  ANYVISOR_CHECK(write_intent(locked.folder, {"start", false, ""}));
  auto run = [&]() -> Result<void> {
    // What is left of a memory that was lost or used: from here on the guest is another one.
    if (from == State::stopped) ANYVISOR_CHECK(drop_saved_state(locked.folder, false));
    ANYVISOR_TRY(auto machine, MachineControl::reach(workspace, locked.record, host_patience));
    return go(hops, locked, machine, clock);
  };
  if (auto started = run(); !started) {
    clock.begin("undo");
    Operation quiet;
    // A guest that was off goes back to that: only a VMM that this start has brought up ends here.
    if (from == State::shutdown || end_vmm(workspace, locked.record, quiet)) (void)clear_intent(locked.folder);
    return in_context("cannot start \"" + locked.record.name + "\"", std::move(started).error());
  }
  clock.begin("record");
  record_operation(locked, "start", clock.operation().phases);
  ANYVISOR_CHECK(clear_intent(locked.folder));
  return Changed{locked.record.id};
}

}  // namespace anyvisor
