// SPDX-License-Identifier: MIT
// restart: stop, then start, each with its own intent. Killed in between, the machine is Stopped, and says so.
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/state_machine.hpp"

namespace anyvisor {

Result<Stopped> restart(const Workspace& workspace, const std::string& instance, const RestartRequest& request,
                        PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(const auto record, find_instance(workspace, instance));
  ANYVISOR_CHECK(check_in_use(record));
  ANYVISOR_CHECK(plan_hops(Verb::restart, observe(workspace, record).state, record.name));
  ANYVISOR_TRY(Stopped stopped, stop(workspace, record.id, request.stop, clock));
  ANYVISOR_CHECK(start(workspace, record.id, {}, clock));
  return stopped;
}

}  // namespace anyvisor
