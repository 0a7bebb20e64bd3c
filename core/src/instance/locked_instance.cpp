// SPDX-License-Identifier: MIT
#include "instance/locked_instance.hpp"

#include <unistd.h>

#include <algorithm>

#include "host/host_client.hpp"
#include "image/image_catalog.hpp"
#include "instance/collect.hpp"
#include "instance/lookup.hpp"
#include "instance/recover.hpp"
#include "process/background_job.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

// Another command on the same instance usually ends within this; a graceful stop may not, and then "busy" is the right
// answer.
constexpr milliseconds instance_patience{10000};
constexpr milliseconds host_end_patience{5000};
constexpr milliseconds host_end_pause{100};
// Whoever adds references holds on for as long as one disk is being made.
constexpr milliseconds collect_patience{2000};

Result<FileLock> take_lock(const std::string& folder, const std::string& name, milliseconds patience) {
  auto lock =
      FileLock::acquire(folder + "/lock", FileLock::Mode::exclusive, patience, "instance \"" + name + "\"", false);
  if (!lock && lock.error().kind == ErrorKind::not_found)
    return fail(ErrorKind::not_found, "instance \"" + name + "\" does not exist", "see 'anyvisor list'");
  return lock;
}

}  // namespace

Result<std::vector<InstanceEntry>> read_instances(const Workspace& workspace) {
  ANYVISOR_TRY(auto ids, list_ids(workspace.home.instances()));
  std::vector<InstanceEntry> entries;
  for (auto& id : ids) {
    std::string folder = workspace.home.instance(id);
    auto record = read_instance(folder);
    if (!record && record.error().kind == ErrorKind::not_found) {
      if (access(folder.c_str(), F_OK) != 0) continue;  // deleted while we looked
      record = fail(ErrorKind::corrupted, folder + "/instance.json is missing",
                    "its disk may still be whole; 'anyvisor delete --force' removes the instance");
    }
    if (record && record->id != id)
      record = fail(ErrorKind::corrupted, folder + "/instance.json belongs to another instance (" + record->id + ")");
    entries.push_back({std::move(id), std::move(record)});
  }
  return entries;
}

Result<InstanceRecord> find_instance(const Workspace& workspace, const std::string& wanted) {
  ANYVISOR_TRY(auto entries, read_instances(workspace));
  std::vector<Label> labels;
  for (const auto& entry : entries) labels.push_back({entry.id, entry.record ? entry.record->name : std::string()});
  const auto unreadable = std::ranges::count_if(entries, [](const InstanceEntry& entry) { return !entry.record; });
  std::string hint = "see 'anyvisor list'";
  if (unreadable > 0)
    hint += ": of " + std::to_string(unreadable) + (unreadable == 1 ? " instance" : " instances") +
            " the name cannot be read, and it may be that";
  ANYVISOR_TRY(std::size_t index, look_up(wanted, labels, "instance", hint));
  return std::move(entries[index].record);
}

Result<void> check_in_use(const InstanceRecord& record) {
  if (record.deleted.empty()) return {};
  return fail(ErrorKind::invalid_state, "instance \"" + record.name + "\" is deleted",
              "take it back with 'anyvisor recover " + record.name + "', or remove it for good with 'anyvisor purge " +
                  record.name + "'");
}

Result<LockedInstance> lock_instance(const Workspace& workspace, const std::string& wanted) {
  ANYVISOR_TRY(LockedInstance locked, lock_even_deleted(workspace, wanted));
  ANYVISOR_CHECK(check_in_use(locked.record));
  return locked;
}

Result<LockedInstance> lock_even_deleted(const Workspace& workspace, const std::string& wanted) {
  ANYVISOR_TRY(auto found, find_instance(workspace, wanted));
  std::string folder = workspace.home.instance(found.id);
  ANYVISOR_TRY(FileLock lock, take_lock(folder, found.name, instance_patience));
  // Another command may have changed it while we waited.
  ANYVISOR_TRY(auto record, read_instance(folder));
  LockedInstance locked{std::move(record), folder, std::move(lock)};
  ANYVISOR_TRY(auto kept, recover(workspace, std::move(locked)));
  if (!kept)
    return fail(ErrorKind::not_found, "instance \"" + found.name + "\" does not exist",
                "its launch or deletion had been interrupted and was completed now");
  return std::move(*kept);
}

void recover_unfinished(const Workspace& workspace) {
  auto ids = list_ids(workspace.home.instances());
  if (!ids) return;
  // Half-written files of killed writers: nobody reads them, and their names are never used again.
  (void)remove_stale_temporaries(workspace.home.disks(), "disk.remove-temporary");
  for (const auto& id : *ids) {
    std::string folder = workspace.home.instance(id);
    (void)remove_stale_temporaries(folder, "instance.remove-temporary");
    forget_ended_job(folder);
    if (access((folder + "/intent.json").c_str(), F_OK) != 0) continue;
    auto lock = take_lock(folder, id, milliseconds(0));
    if (!lock) continue;
    auto record = read_instance(folder);
    if (record) (void)recover(workspace, {std::move(*record), folder, std::move(*lock)});
  }
  (void)collect_leftovers(workspace);
}

void record_operation(LockedInstance& locked, const std::string& operation, const std::vector<Phase>& phases) {
  locked.record.last_operation = operation;
  locked.record.last_phases = phases;
  (void)write_instance(locked.folder, locked.record, "instance.record");
}

Result<FileLock> shut_out_hosts(const std::string& folder) {
  auto deadline = std::chrono::steady_clock::now() + host_end_patience;
  for (;;) {
    auto lock = FileLock::acquire(folder + "/host.lock", FileLock::Mode::exclusive, host_end_pause,
                                  "the plugin-host of this instance");
    if (lock || lock.error().kind != ErrorKind::busy || std::chrono::steady_clock::now() > deadline) return lock;
    // One whose starter was killed still waits for its first client: it ends once somebody has come and gone.
    (void)HostClient::connect(folder, host_end_pause);
  }
}

Result<void> dispose(const Workspace& workspace, LockedInstance locked) {
  ANYVISOR_TRY(FileLock host_lock, shut_out_hosts(locked.folder));
  ANYVISOR_CHECK(rename_durably(locked.folder, workspace.home.staging(locked.record.id), "instance.unpublish"));
  locked.lock.release();
  return collect(workspace, collect_patience);
}

}  // namespace anyvisor
