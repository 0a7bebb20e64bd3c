// SPDX-License-Identifier: MIT
// Which process it is: a pid alone is reused. And the record of a VMM (process.json).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "document/json.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

struct ProcessIdentity {
  int pid = 0;
  std::uint64_t start_time = 0;  // field 22 of /proc/<pid>/stat, clock ticks since boot
  std::string boot_id;           // /proc/sys/kernel/random/boot_id

  bool operator==(const ProcessIdentity&) const = default;
  // Of a living process. Errors: not_found.
  static Result<ProcessIdentity> of(int pid);
};

// Device and inode of a folder: tells a moved home folder (the same) from a copied one (another).
struct FolderIdentity {
  std::uint64_t device = 0, inode = 0;
  static Result<FolderIdentity> of(const std::string& path);
};

// process.json, as ARCHITECTURE.md ('Documents') has it.
struct ProcessRecord {
  ProcessIdentity process;
  FolderIdentity home;
  std::string backend, executable;
  std::string started;           // RFC 3339, UTC
  std::string hardware = "{}";   // JSON
  std::string endpoints = "[]";  // JSON
  struct Exit {
    std::string time;
    int code = -1;  // -1: not known, or ended by a signal
    int signal = 0;
    std::string reason;
  };
  std::optional<Exit> exit;
};

// Reads `folder`/process.json. Errors: not_found; corrupted (also a newer schema).
Result<ProcessRecord> read_process_record(const std::string& folder);
std::string render_process_record(const ProcessRecord& record);
// Is the recorded VMM alive, the same process, and does this home folder own it?
bool is_alive(const ProcessRecord& record, const std::string& home);
// pidfd_open for this process and no other that got its pid since: checked after opening. Errors: not_found.
Result<Fd> open_process(const ProcessIdentity& wanted);

// Now, RFC 3339 in UTC with milliseconds: "2026-11-21T09:30:00.123Z".
std::string now_utc();

}  // namespace anyvisor
