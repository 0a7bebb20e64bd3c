// SPDX-License-Identifier: MIT
// Something new is built in staging/<id>, with a lock in it, and published by one rename.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "instance/workspace.hpp"
#include "storage/fd.hpp"
#include "storage/lock.hpp"

namespace anyvisor {

class StagedFolder {
 public:
  // Holds disks.lock (shared) until it is published, so that no collection runs meanwhile. Errors: busy, exhausted,
  // unavailable.
  static Result<StagedFolder> make(const Workspace& workspace, const std::string& id);

  const std::string& path() const { return path_; }
  // Writes a file. It and the copies are flushed together, by publish() or before.
  Result<void> write(const std::string& name, std::string_view text);
  Result<void> flush_written();
  // Flushes a file that somebody else has put there.
  Result<void> flush(const std::string& name);
  // A hard link to a file elsewhere in the home, or a copy where links do not work: it stays when the other goes.
  Result<void> link_or_copy(const std::string& from, const std::string& name);
  // A copy of its own of a file elsewhere in the home, for what the guest or its VMM writes to.
  Result<void> copy(const std::string& from, const std::string& name);
  // Flushes all, then one rename to `to`. The lock has moved along and is returned. Errors: already_exists.
  Result<FileLock> publish(const std::string& to);
  // For an operation that publishes nothing and only had to be seen to be unfinished while it went on.
  Result<void> discard();

 private:
  StagedFolder(std::string path, FileLock hold, FileLock lock)
      : path_(std::move(path)), hold_(std::move(hold)), lock_(std::move(lock)) {}
  Result<void> take_copy(const std::string& from, const std::string& name);

  std::string path_;
  FileLock hold_, lock_;
  std::vector<std::pair<std::string, Fd>> unflushed_;  // by path
};

}  // namespace anyvisor
