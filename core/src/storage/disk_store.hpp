// SPDX-License-Identifier: MIT
// Disks: flat in one folder, qcow2 overlays over frozen disks, named by id. A backing name is a bare file name, so that
// a home folder can move.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anyvisor/result.hpp"
#include "storage/home.hpp"
#include "storage/lock.hpp"
#include "storage/qcow2_overlay.hpp"

namespace anyvisor {

// disks/<id>.json
struct Disk {
  std::string id;
  std::string format;              // "qcow2" or "raw"
  std::uint64_t virtual_size = 0;  // bytes
  std::string backing;             // id of the disk below, or empty
  bool frozen = false;             // never written again: others stand on it
  std::string origin;              // why it is there: "image debian", "instance web"
  std::string digest;              // "sha256:<hex>" where one is known, of the content as it came
  std::string file_name() const { return id + "." + format; }
};

class DiskStore {
 public:
  explicit DiskStore(const Home& home) : folder_(home.disks()), lock_(home.disks_lock()) {}

  // Held while a reference to a disk is being added, from before the disk is looked at until the referring document is
  // published: keeps collect() away. Errors: busy.
  Result<FileLock> hold() const;

  // Errors: not_found, corrupted.
  Result<Disk> read(const std::string& id) const;
  // The disk and its backing disks, top first. Errors: not_found, corrupted (a loop, a missing one).
  Result<std::vector<Disk>> chain(const std::string& id) const;
  std::string path(const Disk& disk) const { return folder_ + "/" + disk.file_name(); }
  // Bytes that its file occupies on this host; 0 when it cannot be told.
  std::uint64_t occupied(const Disk& disk) const;

  // Moves a finished file into the store as a frozen disk (mode 0400). `disk.id` is set by the caller.
  Result<void> adopt(const std::string& file, const Disk& disk) const;
  // An empty qcow2 overlay over `backing`, at least as large as it. Errors: exhausted, invalid_argument.
  Result<Disk> create_overlay(const std::string& id, const Disk& backing, std::uint64_t size, const std::string& origin,
                              const std::vector<OverlayCluster>& clusters = {}) const;
  // Writes the disk's document. A disk whose file somebody else makes is described first, so that no file lies there
  // that nothing tells of.
  Result<void> describe(const Disk& disk) const;
  // What others have written to its file is on the disk afterwards, and the file's name is.
  Result<void> flush(const Disk& disk) const;
  // The disk is never written again: mode 0400, flushed, and its document says so. Nobody writes to it now. Frozen
  // already: no error.
  Result<void> freeze(Disk& disk) const;
  // Removes a disk and its document.
  Result<void> remove(const std::string& id) const;
  // Ids of all disks, also of those with a file or a document only.
  Result<std::vector<std::string>> list() const;

 private:
  std::string folder_, lock_;
};

}  // namespace anyvisor
