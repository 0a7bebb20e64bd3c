// SPDX-License-Identifier: MIT
// delete, recover, purge: an instance is put away in one step, taken back in one, and removed by one rename.
#include "instance/identifier.hpp"
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/lookup.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/put_away.hpp"
#include "instance/state_machine.hpp"
#include "process/background_job.hpp"
#include "process/process_identity.hpp"
#include "standby/restore.hpp"
#include "standby/saved_folder.hpp"

namespace anyvisor {
namespace {

// The id of the damaged instance that is meant; only its id is known of it. not_found: it is not a damaged one that is
// meant.
Result<std::string> find_damaged(const Workspace& workspace, const std::string& wanted) {
  ANYVISOR_TRY(auto entries, read_instances(workspace));
  std::vector<Label> damaged;
  for (const auto& entry : entries)
    if (!entry.record) damaged.push_back({entry.id, ""});
  ANYVISOR_TRY(std::size_t index, look_up(wanted, damaged, "instance", "see 'anyvisor list'"));
  return damaged[index].id;
}

// Its VMM is known by the process record; what its plugin-host would need to reach it is lost.
Result<void> remove_damaged(const Workspace& workspace, const std::string& id, PhaseClock& clock) {
  clock.begin("VMM end");
  InstanceRecord record;
  record.id = id;
  record.name = short_id(id);
  std::string folder = workspace.home.instance(id);
  ANYVISOR_TRY(FileLock lock, FileLock::acquire(folder + "/lock", FileLock::Mode::exclusive,
                                                std::chrono::milliseconds(10000), "instance " + record.name));
  ANYVISOR_CHECK(end_vmm(workspace, record, clock.operation()));
  let_go_of_kept_memory(folder);
  clock.begin("removal");
  end_job(folder);
  return dispose(workspace, {std::move(record), folder, std::move(lock)});
}

}  // namespace

Result<void> mark_deleted(LockedInstance& locked) {
  if (!locked.record.deleted.empty()) return {};
  InstanceRecord record = locked.record;
  record.deleted = now_utc();
  ANYVISOR_CHECK(write_instance(locked.folder, record, "instance.delete"));
  locked.record = std::move(record);
  return {};
}

Result<void> remove(const Workspace& workspace, const std::string& instance, const DeleteRequest& request,
                    PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  if (auto damaged = find_damaged(workspace, instance)) {
    if (request.force) return remove_damaged(workspace, *damaged, clock);
    return fail(ErrorKind::corrupted, "instance \"" + instance + "\" is damaged, see 'anyvisor info " + instance + "'",
                "remove it for good with 'anyvisor delete --force " + instance + "'");
  }
  ANYVISOR_TRY(LockedInstance locked, lock_even_deleted(workspace, instance));
  const std::string name = locked.record.name;
  if (!locked.record.deleted.empty()) return request.purge ? dispose(workspace, std::move(locked)) : Result<void>();
  const State from = observe(workspace, locked.record).state;
  if (!request.force) {
    if (from == State::unknown)
      return fail(ErrorKind::invalid_state, "cannot delete \"" + name + "\": its VMM does not answer",
                  "use 'anyvisor delete --force " + name + "'");
    ANYVISOR_CHECK(plan_hops(Verb::remove, from, name));
  }
  if (from != State::stopped) {
    clock.begin("VMM end");
    // On a full disk this fails, and deleting is what helps: killed half-way, it then leaves a stopped instance.
    (void)write_intent(locked.folder, {request.purge ? "purge" : "delete", true, ""});
    if (auto ended = discard_saved_memory(workspace, locked); !ended) {
      (void)clear_intent(locked.folder);
      return in_context("cannot delete \"" + name + "\"", std::move(ended).error());
    }
  }
  clock.begin("removal");
  end_job(locked.folder);
  if (request.purge) return dispose(workspace, std::move(locked));
  if (auto marked = mark_deleted(locked); !marked)
    return in_context("cannot delete \"" + name + "\"", std::move(marked).error());
  return from == State::stopped ? Result<void>() : clear_intent(locked.folder);
}

Result<Changed> undelete(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_even_deleted(workspace, instance));
  if (locked.record.deleted.empty()) return Changed{locked.record.id, true};
  clock.begin("record");
  locked.record.deleted.clear();
  ANYVISOR_CHECK(write_instance(locked.folder, locked.record, "instance.recover"));
  return Changed{locked.record.id};
}

Result<void> purge(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_even_deleted(workspace, instance));
  const std::string& name = locked.record.name;
  if (locked.record.deleted.empty())
    return fail(
        ErrorKind::invalid_state, "cannot purge \"" + name + "\": it is not deleted",
        "delete it first with 'anyvisor delete " + name + "', or at once with 'anyvisor delete --purge " + name + "'");
  clock.begin("removal");
  return dispose(workspace, std::move(locked));
}

}  // namespace anyvisor
