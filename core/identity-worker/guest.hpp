// SPDX-License-Identifier: MIT
// One guest's file systems, through libguestfs: its disk is opened in an appliance and mounted there as the guest
// mounts it. All paths are the guest's own; the appliance resolves them below the guest's root, so that no symbolic
// link leads out of it. One thread.
#pragma once

#include <guestfs.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "anyvisor/result.hpp"

namespace anyvisor::identity {

// Thrown through the worker, caught in main.
struct Failure : std::runtime_error {
  Failure(ErrorKind the_kind, const std::string& message, std::string the_hint = {})
      : std::runtime_error(message), kind(the_kind), hint(std::move(the_hint)) {}
  ErrorKind kind;
  std::string hint;
};

struct FileSystem {
  std::string device;       // as the appliance names it: /dev/sda3, /dev/vg/root
  std::string type;         // "ext4", "xfs", ...
  std::string mount_point;  // in the guest
};

struct System {
  std::string type, distribution, product;  // "linux", "debian", "Debian GNU/Linux 12 (bookworm)"
  std::string root_device;
  std::vector<FileSystem> mounted;  // root first
};

class Guest {
 public:
  // Starts the appliance on the disk (seconds). Errors: unavailable (libguestfs cannot start), corrupted.
  Guest(const std::string& disk, const std::string& format, bool emulate);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // Finds the one operating system on it and mounts what its fstab names. Errors: unsupported, with the reason
  // (encrypted, Windows, several, none, asleep).
  const System& mount();
  // Unmounts, flushes, and shuts the appliance down: afterwards the disk's file holds everything. Errors:
  // backend_failed.
  void close();

  bool is_file(const std::string& path);  // a regular file, not a link to one
  bool is_folder(const std::string& path);
  bool exists(const std::string& path);  // of any kind, a dangling link too
  std::vector<std::string> glob(const std::string& pattern);
  // At most `limit` bytes; a longer file reads as empty: it is no file of the kind that is looked for.
  std::string read(const std::string& path, std::size_t limit = 65536);
  // New content for a file that is there: the old one is overwritten in place first, so that it is in no free block.
  // Owner, mode and labels stay.
  void overwrite(const std::string& path, const std::string& content);
  // A new file with mode 0644, owner root; its folder is there.
  void create(const std::string& path, const std::string& content);
  // Overwritten in place (regular files), then removed; folders with all that is in them. A missing one is no error.
  void remove(const std::string& path);
  void flush();

  // Why the content of a file may not be placed by its bytes on the disk; empty: it may be. (DESIGN.md, 'Clone'.)
  std::string why_not_in_one_place(const std::string& path);

 private:
  [[noreturn]] void fail_call(const std::string& what);
  void refuse_hibernated();
  void erase_in_place(const std::string& path);
  std::string why_not_plain(const std::string& device);
  std::vector<std::string> list(char** (*ask)(guestfs_h*));
  std::string sysroot_command(const std::vector<std::string>& words);

  guestfs_h* handle_ = nullptr;
  System system_;
};

}  // namespace anyvisor::identity
