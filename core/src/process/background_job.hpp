// SPDX-License-Identifier: MIT
// Work for an instance that goes on when the command has ended: a process of its own (libexec/anyvisor/job), one for an
// instance at most. It holds job.lock in the instance's folder as long as it lives; job.json there says what it does.
// It gives way: it runs at the lowest priority, and ends once the instance is started or removed.
#pragma once

#include <optional>
#include <string>

#include "process/process_identity.hpp"
#include "storage/lock.hpp"

namespace anyvisor {

struct BackgroundJob {
  std::string operation;  // "prepare"
  ProcessIdentity process;
  std::string started;  // RFC 3339, UTC
};

// The one that works for the instance in `folder` now.
std::optional<BackgroundJob> running_job(const std::string& folder);

// Starts `program` and returns once the job is to be seen by running_job(), or has nothing to do. What it complains
// about goes to the instance's log. Errors: those of spawn; backend_failed (it did not get so far).
Result<void> start_job(const std::string& program, const std::string& home, const std::string& operation,
                       const std::string& instance);
// Ends the job of the instance in `folder`, and returns when it has let go of everything. None: nothing happens.
void end_job(const std::string& folder);
// Removes what a killed one has left.
void forget_ended_job(const std::string& folder);

// For the job itself: held until its end. Errors: busy (there is another), not_found (the instance has gone).
Result<FileLock> register_job(const std::string& folder, const std::string& operation);

}  // namespace anyvisor
