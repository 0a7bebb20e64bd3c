// SPDX-License-Identifier: MIT
// One guest's file systems, through libguestfs: its disk is opened in an appliance and mounted there as the guest
// mounts it. All paths are the guest's own; the appliance resolves them below the guest's root, so that no symbolic
// link leads out of it. One thread.
#pragma once

#include <guestfs.h>

#include <cstdint>
#include <map>
#include <optional>
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

struct Entry {
  enum class Kind { nothing, file, folder, other };
  Kind kind = Kind::nothing;
  std::string path;   // without a link in it; of a link to nothing: the link's own
  std::string own;    // the name's own path, where it is a link: its folder's without a link in it
  bool link = false;  // the name itself is one
  bool exists() const { return kind != Kind::nothing || link; }
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

// Is it mounted on a folder of which some unit knows a file?
bool may_hold_identity(const std::string& mount_point);

// Where a file's content begins on the whole disk; or why it may not be placed by its bytes there (DESIGN.md, 'Clone').
struct Place {
  std::string why_not;  // empty: it may
  std::uint64_t position = 0;
};

struct Range {
  std::uint64_t position = 0, length = 0;  // bytes
};

class Guest {
 public:
  // `written`: where the disk was written since it was an image; there, nothing of the source's is left in what no file
  // holds (ext4). `scratch`: a folder for temporary files, or empty; `monitor`: where the appliance's QEMU listens with
  // QMP, or empty. Starts the appliance on the disk (seconds). Errors: unavailable (libguestfs cannot start),
  // corrupted.
  Guest(const std::string& disk, const std::string& format, std::vector<Range> written, bool emulate,
        const std::string& scratch, const std::string& monitor);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // Finds the one operating system on it and mounts what its fstab names. Errors: unsupported, with the reason
  // (encrypted, Windows, several, none, asleep).
  const System& mount();
  // The same once more after unmount(), so that nothing is written to the disk: file systems without fault only.
  void mount_again_to_read();
  // Afterwards the appliance remembers nothing of what the file systems hold.
  void unmount();
  // Overwrites what no file holds, where the disk was written; nothing is mounted.
  void wipe_leftovers();
  // Shuts the appliance down, nothing being mounted: afterwards the disk's file holds everything. Errors:
  // backend_failed.
  void close();

  // What a name leads to. Links are followed as the guest itself follows them, inside of its root.
  Entry look(const std::string& name);
  bool exists(const std::string& name) { return look(name).exists(); }
  std::vector<std::string> volume_groups();
  std::vector<std::string> glob(const std::string& pattern);
  // In the following, `path` is an Entry's: no part of it is a link.
  // At most `limit` bytes; std::nullopt: there are more.
  std::optional<std::string> read(const std::string& path, std::size_t limit = 65536);
  // Zeroes over what it holds, where it stands, so that nothing of it is in a free block once it is replaced: flush()
  // before that. Folders with all files in them; nothing for a link.
  void erase(const std::string& path);
  // New content for a file that is there. Owner, mode and labels stay.
  void write(const std::string& path, const std::string& content);
  // A new file with mode 0644, owner root, and the SELinux label of its folder, which is made where it is missing.
  void create(const std::string& path, const std::string& content);
  // Folders with all that is in them; a link by itself. A missing one is no error.
  void remove(const std::string& path);
  void flush();

  // Where the beginnings of files stand, so many bytes of each. All is mounted and flushed.
  std::vector<Place> places_of(const std::vector<std::pair<std::string, std::size_t>>& files);
  // Positions on the disk of the superblocks of what is mounted as ext4.
  std::vector<std::uint64_t> ext4_superblocks();
  // The disk itself, while nothing is mounted.
  std::string read_disk(std::uint64_t position, std::size_t length);
  // Texts without any quote in them, by their positions.
  void write_disk(const std::map<std::uint64_t, std::string>& texts);

 private:
  // What a file system stands on, as pieces of the disk. `length` UINT64_MAX: up to its end.
  struct Segment {
    std::uint64_t begin = 0, length = 0, position = 0;
  };
  struct Ground {
    std::string why_not;  // empty: on nothing but such pieces
    std::vector<Segment> segments;
  };

  [[noreturn]] void fail_call(const std::string& what);
  void launch(int sector);
  bool has_larger_sectors();
  void activate_volumes();
  void refuse_encrypted();
  void refuse_hibernated();
  // Devices on which something is that is known, and what: "ext4", "swap", "crypto_LUKS".
  const std::map<std::string, std::string>& contents();
  std::string real_path(const std::string& name);
  void mount_systems(const std::string& root);
  void mount_boot_partition();
  void check_fstab();
  void erase_file(const std::string& path);
  void copy_label(const std::string& from, const std::string& to);
  std::vector<std::string> list(char** (*ask)(guestfs_h*));
  std::string translated(const std::string& text) const;
  void find_disk_order();
  using Command = std::vector<std::string>;  // its words
  std::string appliance_command(const Command& words);
  std::vector<std::string> appliance_commands(const std::vector<Command>& commands);
  const std::vector<std::string>& partitions();
  bool is_plain(const std::string& device);
  std::uint64_t start_of(const std::string& device);
  Place place_of(const std::string& path, std::size_t length, const std::string& attributes,
                 const std::string& extents);
  const Ground& ground_of(const std::string& device);
  std::optional<std::uint64_t> position_of(const std::string& device, std::uint64_t offset, std::size_t length);
  const std::string& why_not_this_ext4(const std::string& device);
  void look_into_ext4(const std::vector<std::string>& devices);
  void wipe_free_blocks(const std::string& device);
  void wipe_journal(const std::string& device);
  void write_zeroes(const std::string& device, const std::vector<Range>& ranges);

  const std::string disk_, format_, scratch_, monitor_;
  const std::vector<Range> written_;
  const bool emulate_;
  guestfs_h* handle_ = nullptr;
  bool disks_swapped_ = false;  // the kernel calls ours sdb
  System system_;
  std::map<std::string, std::string> folders_;                  // the real paths of folders, as asked
  std::map<std::string, std::string> contents_;                 // empty: not asked yet
  std::optional<std::vector<std::string>> disks_, partitions_;  // likewise
  std::map<std::string, std::uint64_t> starts_;  // of partitions, in sectors, by device and by "8:3"; likewise
  std::map<std::string, Ground> grounds_;        // by device, as asked
  std::map<std::string, std::string> ext4_;      // why_not_this_ext4
};

}  // namespace anyvisor::identity
