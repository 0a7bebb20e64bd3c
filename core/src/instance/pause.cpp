// SPDX-License-Identifier: MIT
// pause and resume: one hop each, which the backend does at once; killed before or after it, there is nothing to
// finish.
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/state_machine.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds host_patience{10000};

using Hop = Result<void> (MachineControl::*)(Operation& operation);

Result<Changed> change(const Workspace& workspace, const std::string& instance, Verb verb, Hop hop, PhaseClock& clock) {
  const std::string word = verb == Verb::pause ? "pause" : "resume";
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  ANYVISOR_TRY(auto hops, plan_hops(verb, observe(workspace, locked.record).state, locked.record.name));
  if (hops.empty()) return Changed{locked.record.id, true};
  clock.begin("plugin-host");
  ANYVISOR_TRY(auto machine, MachineControl::reach(workspace, locked.record, host_patience));
  clock.begin(word);
  if (auto done = (machine.*hop)(clock.operation()); !done)
    return in_context("cannot " + word + " \"" + locked.record.name + "\"", std::move(done).error());
  return Changed{locked.record.id};
}

}  // namespace

Result<Changed> pause(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  return change(workspace, instance, Verb::pause, &MachineControl::pause, clock);
}

Result<Changed> resume(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  return change(workspace, instance, Verb::resume, &MachineControl::resume, clock);
}

}  // namespace anyvisor
