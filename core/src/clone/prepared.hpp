// SPDX-License-Identifier: MIT
// What was prepared once for a frozen disk, so that each clone of it is quick: its generalised overlay and the slots in
// it. Or the reason why clones of it have to be rewritten one by one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "clone/identity_worker.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

// A file as stat() tells it: a change behind our back is seen here.
struct FileStamp {
  std::uint64_t inode = 0, size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
Result<FileStamp> stamp_of(const std::string& path);

struct Prepared {
  std::string base;         // the frozen disk
  std::string generalized;  // the overlay on it in which the slots stand; empty: there is none
  FileStamp stamp;          // of its file
  std::vector<Slot> slots;  // with `distrust` too, without their positions
  std::string distrust;     // why each clone is to be rewritten by itself; empty: the slots serve
};

class PreparedStore {
 public:
  explicit PreparedStore(const Workspace& workspace) : workspace_(workspace) {}

  // std::nullopt: nothing is prepared, or it is of other rules, or was altered.
  Result<std::optional<Prepared>> read(const std::string& base) const;
  Result<void> write(const Prepared& prepared) const;
  Result<void> remove(const std::string& base) const;
  // Ids of the disks for which something is prepared.
  Result<std::vector<std::string>> list() const;

 private:
  const Workspace& workspace_;
};

struct GeneralizeTask {
  std::string source_name;
  std::vector<std::string> source_macs;
  std::uint64_t virtual_size = 0;
  std::function<bool()> emulate;  // asked only when there is something to do
};
// Prepares `base`, or answers what is prepared. Seconds the first time. Who calls it holds disks.lock (shared).
Result<Prepared> prepare(const Workspace& workspace, const IdentityWorker& worker, const Disk& base,
                         const GeneralizeTask& task, Operation& operation);

}  // namespace anyvisor
