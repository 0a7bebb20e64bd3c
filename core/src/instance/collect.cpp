// SPDX-License-Identifier: MIT
#include "instance/collect.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "clone/prepared.hpp"
#include "image/image_catalog.hpp"
#include "instance/instance_record.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

class References {
 public:
  explicit References(const Workspace& workspace) : workspace_(workspace) {}

  bool contains(const std::string& disk) const { return disks_.contains(disk); }

  // What the documents in `folder` refer to. With `required`, one of them has to be there: a folder that has lost its
  // document may still be the only one that uses some disk.
  Result<void> add_folder(const std::string& folder, bool required) {
    auto instance = read_instance(folder);
    if (instance) return add(instance->disk, required);
    if (instance.error().kind != ErrorKind::not_found) return tl::unexpected(std::move(instance).error());
    auto image = read_image(folder);
    if (image) return add(image->disk, required);
    if (image.error().kind == ErrorKind::not_found && !required) return {};
    return tl::unexpected(std::move(image).error());
  }

  // With `required`, every disk of the chain has to be there: a document that names one that is not was altered, and
  // what it referred to before may stand among those that nothing names now.
  Result<void> add(const std::string& disk, bool required) {
    for (std::string next = disk; !next.empty() && disks_.insert(next).second;) {
      auto document = workspace_.disks.read(next);
      if (!document && (required || document.error().kind != ErrorKind::not_found))
        return tl::unexpected(std::move(document).error());
      next = document ? document->backing : std::string();
    }
    return {};
  }

 private:
  const Workspace& workspace_;
  std::set<std::string> disks_;
};

// Staging folders that nobody holds; the disks of the others count as referred to.
Result<std::vector<std::string>> abandoned_staging(const Workspace& workspace, References& references) {
  ANYVISOR_TRY(auto ids, list_ids(workspace.home.staging()));
  std::vector<std::string> abandoned;
  for (const auto& id : ids) {
    std::string folder = workspace.home.staging(id);
    if (FileLock::is_free(folder + "/lock")) {
      abandoned.push_back(folder);
    } else {
      ANYVISOR_CHECK(references.add_folder(folder, false));
    }
  }
  return abandoned;
}

// What was prepared for a disk lives as long as somebody refers to that disk. Returns for which it does no more.
Result<std::vector<std::string>> useless_prepared(const PreparedStore& store, References& references) {
  ANYVISOR_TRY(auto bases, store.list());
  std::vector<std::string> useless;
  for (const auto& base : bases) {
    auto prepared = references.contains(base) ? store.read(base) : Result<std::optional<Prepared>>(std::nullopt);
    if (!prepared) return tl::unexpected(std::move(prepared).error());
    if (*prepared)
      ANYVISOR_CHECK(references.add((*prepared)->generalized, false));
    else
      useless.push_back(base);
  }
  return useless;
}

// What nothing refers to, while nobody adds references. An image that stands in `without` counts for nothing.
struct Unreferenced {
  std::vector<std::string> disks, staging, prepared;  // ids; folders; bases
};

Result<Unreferenced> look(const Workspace& workspace, const std::set<std::string>& without) {
  References references(workspace);
  Unreferenced found;
  ANYVISOR_TRY(found.staging, abandoned_staging(workspace, references));
  for (const auto& root : {workspace.home.instances(), workspace.home.images()}) {
    // One that has vanished says nothing about what it referred to.
    if (access(root.c_str(), F_OK) != 0) return fail_errno("cannot read \"" + root + "\"", errno);
    ANYVISOR_TRY(auto ids, list_ids(root));
    for (const auto& id : ids)
      if (!without.contains(id)) ANYVISOR_CHECK(references.add_folder(root + "/" + id, true));
  }
  ANYVISOR_TRY(found.prepared, useless_prepared(PreparedStore(workspace), references));
  ANYVISOR_TRY(auto disks, workspace.disks.list());
  for (auto& disk : disks)
    if (!references.contains(disk)) found.disks.push_back(std::move(disk));
  return found;
}

std::uint64_t size_of_file(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

std::uint64_t size_of_tree(const std::string& folder) {
  std::uint64_t size = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    size += size_of_file(entry->path().string());
  return size;
}

}  // namespace

Result<void> collect(const Workspace& workspace, std::chrono::milliseconds patience) {
  auto lock =
      FileLock::acquire(workspace.home.disks_lock(), FileLock::Mode::exclusive, patience, "the folder of disks");
  if (!lock) {
    if (lock.error().kind == ErrorKind::busy) return {};
    return tl::unexpected(std::move(lock).error());
  }
  // A damaged document: what it refers to is not known, so no disk goes.
  const auto found = look(workspace, {});
  if (!found) return {};
  const PreparedStore prepared(workspace);
  for (const auto& base : found->prepared) ANYVISOR_CHECK(prepared.remove(base));
  for (const auto& disk : found->disks) ANYVISOR_CHECK(workspace.disks.remove(disk));
  // Last, so that a collection that was killed is seen to be unfinished.
  for (const auto& folder : found->staging) ANYVISOR_CHECK(remove_tree_durably(folder, "staging.remove"));
  return {};
}

Result<std::vector<Leftover>> leftovers(const Workspace& workspace, const std::vector<ImageRecord>& without_images,
                                        std::chrono::milliseconds patience) {
  if (!workspace.home.is_there()) return std::vector<Leftover>();
  ANYVISOR_TRY(const FileLock lock, FileLock::acquire(workspace.home.disks_lock(), FileLock::Mode::exclusive, patience,
                                                      "the folder of disks"));
  std::set<std::string> without;
  std::vector<Leftover> all;
  for (const auto& image : without_images) {
    without.insert(image.id);
    const std::string folder = workspace.home.images() + "/" + image.id;
    all.push_back({"image", image.name, folder, size_of_tree(folder)});
  }
  ANYVISOR_TRY(const auto found, look(workspace, without));
  for (const auto& folder : found.staging)
    all.push_back({"unfinished", folder.substr(folder.rfind('/') + 1), folder, size_of_tree(folder)});
  for (const auto& base : found.prepared) {
    const std::string path = workspace.home.prepared() + "/" + base + ".json";
    all.push_back({"prepared", base, path, size_of_file(path)});
  }
  for (const auto& id : found.disks)
    for (const char* ending : {".qcow2", ".raw", ".json"}) {
      const std::string path = workspace.home.disks() + "/" + id + ending;
      if (access(path.c_str(), F_OK) == 0) all.push_back({"disk", id, path, size_of_file(path)});
    }
  return all;
}

Result<void> collect_leftovers(const Workspace& workspace) {
  ANYVISOR_TRY(auto staging, list_ids(workspace.home.staging()));
  return staging.empty() ? Result<void>() : collect(workspace, std::chrono::milliseconds(0));
}

}  // namespace anyvisor
