// SPDX-License-Identifier: MIT
#include "clone/source.hpp"

#include "instance/machine_control.hpp"

namespace anyvisor {
namespace {

tl::unexpected<Error> wrong_state(const InstanceRecord& record, State state, const std::string& what) {
  const std::string name = record.name;
  std::string why = "it is " + std::string(state_name(state));
  std::string hint = "stop it first: anyvisor stop " + name;
  if (state == State::unknown) {
    why = "its VMM does not answer, so nobody knows what it has written";
    hint = "end it with 'anyvisor stop --force " + name + "', then try again";
  } else if (state == State::standby) {
    why += ", and its saved memory goes with its disk as it is";
    hint = "wake it with 'anyvisor start " + name + "', then stop it: anyvisor stop " + name;
  }
  return fail(ErrorKind::invalid_state, "cannot " + what + " \"" + name + "\": " + why, hint);
}

}  // namespace

Result<CloneSource> lock_source(const Workspace& workspace, const std::string& name) {
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, name));
  const State state = observe(workspace, locked.record).state;
  // Created and Shutdown: a VMM that has the disk open, and a guest that does nothing. Standby: nobody writes to it.
  for (State possible :
       {State::stopped, State::running, State::paused, State::shutdown, State::created, State::standby})
    if (state == possible) return CloneSource{std::move(locked), state};
  return wrong_state(locked.record, state, "clone");
}

Result<LockedInstance> lock_stopped_source(const Workspace& workspace, const std::string& name,
                                           const std::string& what) {
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, name));
  const State state = observe(workspace, locked.record).state;
  if (state == State::stopped) return locked;
  return wrong_state(locked.record, state, what);
}

}  // namespace anyvisor
