// SPDX-License-Identifier: MIT
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/state_machine.hpp"
#include "standby/restore.hpp"
#include "standby/saved_folder.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds host_patience{10000};

std::string seconds_of(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

// The agent in the guest hears it whatever the guest makes of a power button.
Result<void> ask_guest_to_power_off(MachineControl& machine, Operation& operation) {
  auto asked = machine.ask_to_power_off("agent", operation);
  if (asked || asked.error().kind == ErrorKind::cancelled) return asked;
  return machine.ask_to_power_off("acpi", operation);
}

// Asks the guest and waits. Returns why the VMM is to be ended by force now; empty: the guest is off.
Result<std::string> power_off(MachineControl& machine, const StopRequest& request, const std::string& name,
                              PhaseClock& clock) {
  clock.begin("guest shutdown");
  auto asked = ask_guest_to_power_off(machine, clock.operation());
  if (asked) asked = machine.wait_for_power_off(request.grace, clock.operation());
  if (asked) return std::string();
  if (asked.error().kind != ErrorKind::timeout) return tl::unexpected(std::move(asked).error());
  const std::string what = "the guest of \"" + name + "\" did not power off within " + seconds_of(request.grace);
  if (request.force_after_grace) return what + ": it was ended by force";
  return fail(ErrorKind::timeout, what,
              "give it more with --timeout, or end it with 'anyvisor stop --force " + name + "'");
}

// Of one in Standby: nobody is there who could be asked.
Result<void> give_up_memory(const Workspace& workspace, LockedInstance& locked, const StopRequest& request,
                            PhaseClock& clock) {
  const std::string& name = locked.record.name;
  if (!request.force)
    return fail(ErrorKind::invalid_state,
                "cannot stop \"" + name + "\": it is in Standby, and its guest cannot be asked",
                "wake it first with 'anyvisor start " + name + "', or give its memory up with 'anyvisor stop --force " +
                    name + "'");
  clock.begin("discard");
  if (auto discarded = discard_saved_memory(workspace, locked); !discarded)
    return in_context("cannot stop \"" + name + "\"", std::move(discarded).error());
  clock.begin("record");
  record_operation(locked, "stop", clock.operation().phases);
  return {};
}

}  // namespace

Result<Stopped> stop(const Workspace& workspace, const std::string& instance, const StopRequest& request,
                     PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  State from = observe(workspace, locked.record).state;
  ANYVISOR_TRY(auto hops, plan_hops(Verb::stop, from, locked.record.name));
  if (hops.empty()) return Stopped{locked.record.id, false, "", true};
  if (from == State::standby) {
    ANYVISOR_CHECK(give_up_memory(workspace, locked, request, clock));
    return Stopped{locked.record.id, false, "the saved memory of \"" + locked.record.name + "\" was given up"};
  }
  bool ask_guest = !request.force && from == State::running;
  if (from == State::unknown && !request.force)
    return fail(ErrorKind::invalid_state, "cannot stop \"" + locked.record.name + "\": its VMM does not answer",
                "end it with 'anyvisor stop --force " + locked.record.name + "'");

  auto noted = write_intent(locked.folder, {"stop", !ask_guest, ""});
  // On a full disk a machine can still be ended: that is one step, which needs no intent to be finished.
  if (!noted && ask_guest) return in_context("cannot stop \"" + locked.record.name + "\"", std::move(noted).error());
  std::string warning;
  auto run = [&]() -> Result<void> {
    if (!ask_guest) {
      clock.begin("VMM end");
      return end_vmm(workspace, locked.record, clock.operation());
    }
    clock.begin("plugin-host");
    ANYVISOR_TRY(auto machine, MachineControl::reach(workspace, locked.record, host_patience));
    ANYVISOR_TRY(warning, power_off(machine, request, locked.record.name, clock));
    clock.begin("VMM end");
    return machine.terminate(false, clock.operation());
  };
  auto stopped = run();
  // The file that a restored machine's RAM was in. What cannot be removed now the next start removes.
  if (stopped) (void)drop_saved_state(locked.folder, false);
  clock.begin("record");
  if (stopped) record_operation(locked, "stop", clock.operation().phases);
  // A stop that failed has changed nothing that would have to be undone.
  auto cleared = clear_intent(locked.folder);
  if (!stopped) return in_context("cannot stop \"" + locked.record.name + "\"", std::move(stopped).error());
  ANYVISOR_CHECK(std::move(cleared));
  return Stopped{locked.record.id, !warning.empty(), warning};
}

}  // namespace anyvisor
