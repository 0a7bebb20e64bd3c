// SPDX-License-Identifier: MIT
#include "storage/disk_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "document/json.hpp"
#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"
#include "storage/fd.hpp"

namespace anyvisor {
namespace {

constexpr int schema = 1;
// QEMU itself refuses deeper chains only by running out of descriptors; ours are kept to 8 by clone, so this only stops
// a loop.
constexpr std::size_t longest_chain = 64;
constexpr std::chrono::milliseconds lock_patience{10000};

std::string render(const Disk& disk) {
  auto document = json::make_object();
  json::set(document, document, "schema", schema);
  json::set(document, document, "id", disk.id);
  json::set(document, document, "format", disk.format);
  json::set(document, document, "virtual_size", disk.virtual_size);
  if (!disk.backing.empty()) json::set(document, document, "backing", disk.backing);
  json::set(document, document, "frozen", disk.frozen);
  json::set(document, document, "origin", disk.origin);
  if (!disk.digest.empty()) json::set(document, document, "digest", disk.digest);
  return json::render_pretty(document);
}

}  // namespace

Result<FileLock> DiskStore::hold() const {
  return FileLock::acquire(lock_, FileLock::Mode::shared, lock_patience, "the folder of disks");
}

Result<Disk> DiskStore::read(const std::string& id) const {
  auto text = read_file(folder_ + "/" + id + ".json");
  if (!text) return in_context("disk " + id, std::move(text).error());
  auto document = json::parse_object(*text, "the document of disk " + id);
  if (!document) {
    document.error().kind = ErrorKind::corrupted;
    return tl::unexpected(std::move(document).error());
  }
  if (json::uint_or(*document, "schema", 0) != schema)
    return fail(ErrorKind::corrupted, "disk " + id + " was written by a newer anyvisor",
                "use that version, or a newer one");
  Disk disk;
  disk.id = id;
  disk.format = json::string_or(*document, "format");
  disk.virtual_size = json::uint_or(*document, "virtual_size", 0);
  disk.backing = json::string_or(*document, "backing");
  disk.frozen = json::bool_or(*document, "frozen", false);
  disk.origin = json::string_or(*document, "origin");
  disk.digest = json::string_or(*document, "digest");
  if (disk.format != "qcow2" && disk.format != "raw")
    return fail(ErrorKind::corrupted, "disk " + id + " has the unknown format \"" + disk.format + "\"");
  return disk;
}

Result<std::vector<Disk>> DiskStore::chain(const std::string& id) const {
  std::vector<Disk> disks;
  for (std::string next = id; !next.empty();) {
    if (disks.size() == longest_chain)
      return fail(ErrorKind::corrupted, "disk " + id + " has more than " + std::to_string(longest_chain) + " layers");
    ANYVISOR_TRY(Disk disk, read(next));
    if (access(path(disk).c_str(), F_OK) != 0)
      return fail(ErrorKind::corrupted, "the file of disk " + next + " is missing (" + path(disk) + ")");
    next = disk.backing;
    disks.push_back(std::move(disk));
  }
  return disks;
}

std::uint64_t DiskStore::occupied(const Disk& disk) const {
  struct stat status {};
  if (stat(path(disk).c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

Result<void> DiskStore::adopt(const std::string& file, const Disk& disk) const {
  if (chmod(file.c_str(), 0400) != 0) return fail_errno("cannot change the mode of \"" + file + "\"", errno);
  ANYVISOR_CHECK(flush_file(file));
  ANYVISOR_CHECK(write_file_atomically(folder_, disk.id + ".json", render(disk), "disk.describe"));
  auto moved = rename_durably(file, path(disk), "disk.adopt");
  if (!moved) (void)remove_file_durably(folder_, disk.id + ".json", "disk.adopt-undo");
  return moved;
}

Result<Disk> DiskStore::create_overlay(const std::string& id, const Disk& backing, std::uint64_t size,
                                       const std::string& origin, const std::vector<OverlayCluster>& clusters) const {
  Disk disk;
  disk.id = id;
  disk.format = "qcow2";
  disk.virtual_size = std::max(size, backing.virtual_size);
  disk.backing = backing.id;
  disk.origin = origin;
  auto create = [&]() -> Result<void> {
    // All is written, and then flushed at once. Nothing refers to the disk before this has returned: where that is
    // never, whatever is left of it is collected.
    const std::string document = folder_ + "/" + id + ".json";
    Fd disk_file, document_file;
    {
      DurableStep step("disk.create");
      ANYVISOR_TRY(disk_file,
                   write_overlay(path(disk), {backing.file_name(), backing.format, disk.virtual_size}, clusters));
      ANYVISOR_TRY(document_file, create_file(document));
      ANYVISOR_CHECK(write_all(document_file.get(), render(disk)));
      begin_writeback(document_file.get());
    }
    DurableStep step("disk.flush");
    ANYVISOR_CHECK(anyvisor::flush(disk_file.get(), path(disk)));
    ANYVISOR_CHECK(anyvisor::flush(document_file.get(), document));
    return sync_folder(folder_);
  };
  if (auto created = create(); !created) {
    (void)remove(id);
    return in_context("cannot create a disk", std::move(created).error());
  }
  return disk;
}

Result<void> DiskStore::describe(const Disk& disk) const {
  return write_file_atomically(folder_, disk.id + ".json", render(disk), "disk.describe");
}

Result<void> DiskStore::flush(const Disk& disk) const {
  DurableStep step("disk.flush");
  ANYVISOR_CHECK(flush_file(path(disk)));
  return sync_folder(folder_);
}

Result<void> DiskStore::freeze(Disk& disk) const {
  if (disk.frozen) return {};
  {
    DurableStep step("disk.freeze");
    if (chmod(path(disk).c_str(), 0400) != 0) return fail_errno("cannot change the mode of a disk", errno);
    ANYVISOR_CHECK(flush_file(path(disk)));
  }
  disk.frozen = true;
  return write_file_atomically(folder_, disk.id + ".json", render(disk), "disk.describe");
}

Result<void> DiskStore::remove(const std::string& id) const {
  for (const char* format : {"qcow2", "raw"})
    ANYVISOR_CHECK(remove_file_durably(folder_, id + "." + format, "disk.remove"));
  return remove_file_durably(folder_, id + ".json", "disk.remove-document");
}

Result<std::vector<std::string>> DiskStore::list() const {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(folder_.c_str()), closedir);
  if (!stream) return fail_errno("cannot read \"" + folder_ + "\"", errno);
  std::set<std::string> ids;
  while (const dirent* entry = readdir(stream.get())) {
    std::string name = entry->d_name;
    if (name.front() == '.') continue;
    ids.insert(name.substr(0, name.find('.')));
  }
  return std::vector<std::string>(ids.begin(), ids.end());
}

}  // namespace anyvisor
