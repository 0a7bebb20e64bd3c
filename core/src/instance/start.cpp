// SPDX-License-Identifier: MIT
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/pending_seed.hpp"
#include "instance/state_machine.hpp"

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
      return fail(ErrorKind::unsupported, "saved memory cannot be restored by this version");
    }
  }
  return {};
}

}  // namespace

Result<std::string> start(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  State from = observe(workspace, locked.record).state;
  ANYVISOR_TRY(auto hops, plan_hops(Verb::start, from, locked.record.name));
  if (hops.empty()) return locked.record.id;

  clock.begin("plugin-host");
  ANYVISOR_CHECK(write_intent(locked.folder, {"start", false, ""}));
  auto run = [&]() -> Result<void> {
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
  return locked.record.id;
}

}  // namespace anyvisor
