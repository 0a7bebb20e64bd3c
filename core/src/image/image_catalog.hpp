// SPDX-License-Identifier: MIT
// images/: what the image stores have brought. One folder an image: image.json, kernel, initrd; the disk stands among
// the disks.
#pragma once

#include <string>
#include <vector>

#include "anyvisor/manager.hpp"
#include "storage/home.hpp"

namespace anyvisor {

// images/<id>/image.json
struct ImageRecord {
  std::string id, name, summary, created, source, digest;
  std::string disk;    // id of the frozen disk, or empty
  std::string format;  // of the disk
  std::uint64_t virtual_size = 0;
  bool has_kernel = false, has_initrd = false;  // files `kernel` and `initrd` beside image.json
  std::string command_line;                     // {hostname} stands for the instance's name
  std::string firmware;                         // "bios" or "uefi": what the disk is made for; empty: not known
  bool cloud_init = false;                      // the guest runs cloud-init and looks for a NoCloud seed
  std::string user;                             // cloud-init's default user: who logs in over ssh; empty: not known
  bool ssh_over_vsock = false;                  // an ssh server of the guest's listens on vsock port 22
  std::string store, key;                       // the image store that brought it and its key for this content
};

inline constexpr int image_schema = 1;

std::string render(const ImageRecord& image);
// Errors: not_found, corrupted, unsupported (newer schema).
Result<ImageRecord> read_image(const std::string& folder);

class ImageCatalog {
 public:
  explicit ImageCatalog(const Home& home) : home_(home) {}
  // All that can be read; damaged ones are left out. Sorted by name.
  Result<std::vector<ImageRecord>> list() const;
  // By exact id, exact name, or a prefix of the id or short id. Errors: not_found, ambiguous.
  Result<ImageRecord> find(const std::string& image) const;
  std::string folder(const ImageRecord& image) const { return home_.images() + "/" + image.id; }

 private:
  const Home& home_;
};

// Entries of a folder whose names are ids. A folder that is not there has none.
Result<std::vector<std::string>> list_ids(const std::string& folder);

}  // namespace anyvisor
