// SPDX-License-Identifier: MIT
// An instance with its lock held and nothing unfinished about it.
#pragma once

#include <optional>

#include "instance/instance_record.hpp"
#include "instance/workspace.hpp"
#include "storage/lock.hpp"

namespace anyvisor {

struct LockedInstance {
  InstanceRecord record;
  std::string folder;
  FileLock lock;
};

// All instances of the home; a damaged one has its error instead of a record.
struct InstanceEntry {
  std::string id;
  Result<InstanceRecord> record;
};
Result<std::vector<InstanceEntry>> read_instances(const Workspace& workspace);

// Looks one up (lookup.hpp). Errors: not_found, ambiguous, corrupted (it is that one which is damaged).
Result<InstanceRecord> find_instance(const Workspace& workspace, const std::string& wanted);

// A deleted one can only be recovered, renamed and purged. Errors: invalid_state.
Result<void> check_in_use(const InstanceRecord& record);

// Looks it up, takes its lock, finishes or undoes what was left unfinished. Errors: those of find_instance and
// check_in_use, busy (another command works on it).
Result<LockedInstance> lock_instance(const Workspace& workspace, const std::string& wanted);
// The same, deleted or not.
Result<LockedInstance> lock_even_deleted(const Workspace& workspace, const std::string& wanted);

// Finishes or undoes each unfinished operation whose instance nobody holds, and collects what was left over. Every
// changing command starts with it. An instance that cannot be recovered now (a newer schema, a VMM that does not end)
// is left as it is.
void recover_unfinished(const Workspace& workspace);

// Keeps the operation's name and phases in instance.json, for `info`. Not being able to is no failure of the operation.
void record_operation(LockedInstance& locked, const std::string& operation, const std::vector<Phase>& phases);

// Waits until the instance's plugin-host has ended; as long as the lock is held no other begins, so nobody works in the
// folder. Errors: busy.
Result<FileLock> shut_out_hosts(const std::string& folder);

// Takes the instance out of the world: its VMM has ended, one rename, then what only it referred to goes. `locked.lock`
// is released.
Result<void> dispose(const Workspace& workspace, LockedInstance locked);

}  // namespace anyvisor
