// SPDX-License-Identifier: MIT
// set NAME cpus, memory, disk: what the machine has at its next start. The disk first, which may fail and take time;
// then all the rest by one durable write.
#include "instance/grow_disk.hpp"
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/spec_checks.hpp"

namespace anyvisor {
namespace {

// What it has now can be given again. Sizes of disks are whole sectors.
Result<void> check_disk(const Workspace& workspace, const InstanceRecord& record, std::uint64_t size) {
  constexpr std::uint64_t sector = 512;
  if (record.disk.empty())
    return fail(ErrorKind::invalid_argument, "\"" + record.name + "\" has no disk that could grow", "", "/disk");
  if (size % sector != 0)
    return fail(ErrorKind::invalid_argument, "a disk of " + std::to_string(size) + " bytes", "give a multiple of 512",
                "/disk");
  ANYVISOR_TRY(const Disk disk, workspace.disks.read(record.disk));
  if (size < disk.virtual_size)
    return fail(ErrorKind::invalid_argument,
                "a disk of " + std::to_string(size) + " bytes is smaller than that of \"" + record.name + "\" (" +
                    std::to_string(disk.virtual_size) + "), and disks only grow",
                "give more", "/disk");
  return {};
}

Result<void> check_stopped(const Workspace& workspace, const InstanceRecord& record) {
  const State state = observe(workspace, record).state;
  if (state == State::stopped) return {};
  const bool sleeps = state == State::standby;
  return fail(ErrorKind::invalid_state,
              "cannot change \"" + record.name + "\": it is " + std::string(state_name(state)) +
                  (sleeps ? ", and its saved memory goes with the machine as it is" : ""),
              (sleeps ? "wake it with 'anyvisor start " + record.name + "', then stop it: anyvisor stop "
                      : "stop it first: anyvisor stop ") +
                  record.name);
}

}  // namespace

Result<std::string> change(const Workspace& workspace, const std::string& instance, const ChangeRequest& request,
                           PhaseClock& clock) {
  clock.begin("check");
  if (request.cpus != 0) ANYVISOR_CHECK(check_cpus(request.cpus));
  if (request.memory != 0) ANYVISOR_CHECK(check_memory(workspace.home, request.memory));
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  if (request.disk != 0) ANYVISOR_CHECK(check_disk(workspace, locked.record, request.disk));
  ANYVISOR_CHECK(check_stopped(workspace, locked.record));
  if (request.disk != 0) {
    ANYVISOR_CHECK(write_intent(locked.folder, {"set", false, ""}));
    if (auto grown = grow_own_disk(workspace, locked.record, request.disk, clock); !grown) {
      // The file may have grown all the same: then that is written down, now or by the next command.
      if (describe_grown_disk(workspace, locked.record)) (void)clear_intent(locked.folder);
      return in_context("cannot change \"" + locked.record.name + "\"", std::move(grown).error());
    }
  }
  clock.begin("record");
  if (request.cpus != 0) locked.record.cpus = request.cpus;
  if (request.memory != 0) locked.record.memory = request.memory;
  locked.record.last_operation = "set";
  locked.record.last_phases = clock.operation().phases;
  ANYVISOR_CHECK(write_instance(locked.folder, locked.record, "instance.set"));
  if (request.disk != 0) ANYVISOR_CHECK(clear_intent(locked.folder));
  return locked.record.id;
}

}  // namespace anyvisor
