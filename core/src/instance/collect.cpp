// SPDX-License-Identifier: MIT
#include "instance/collect.hpp"

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
    if (instance) return add(instance->disk);
    if (instance.error().kind != ErrorKind::not_found) return tl::unexpected(std::move(instance).error());
    auto image = read_image(folder);
    if (image) return add(image->disk);
    if (image.error().kind == ErrorKind::not_found && !required) return {};
    return tl::unexpected(std::move(image).error());
  }

  Result<void> add(const std::string& disk) {
    for (std::string next = disk; !next.empty() && disks_.insert(next).second;) {
      auto document = workspace_.disks.read(next);
      if (!document && document.error().kind != ErrorKind::not_found)
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

// What was prepared for a disk lives as long as somebody refers to that disk.
Result<void> keep_prepared(const Workspace& workspace, References& references) {
  PreparedStore store(workspace);
  ANYVISOR_TRY(auto bases, store.list());
  for (const auto& base : bases) {
    auto prepared = references.contains(base) ? store.read(base) : Result<std::optional<Prepared>>(std::nullopt);
    if (!prepared) return tl::unexpected(std::move(prepared).error());
    if (*prepared)
      ANYVISOR_CHECK(references.add((*prepared)->generalized));
    else
      ANYVISOR_CHECK(store.remove(base));
  }
  return {};
}

Result<void> remove_unreferenced(const Workspace& workspace, const References& references) {
  ANYVISOR_TRY(auto disks, workspace.disks.list());
  for (const auto& disk : disks)
    if (!references.contains(disk)) ANYVISOR_CHECK(workspace.disks.remove(disk));
  return {};
}

}  // namespace

Result<void> collect(const Workspace& workspace, std::chrono::milliseconds patience) {
  auto lock =
      FileLock::acquire(workspace.home.disks_lock(), FileLock::Mode::exclusive, patience, "the folder of disks");
  if (!lock) {
    if (lock.error().kind == ErrorKind::busy) return {};
    return tl::unexpected(std::move(lock).error());
  }
  References references(workspace);
  auto gather = [&]() -> Result<std::vector<std::string>> {
    ANYVISOR_TRY(auto abandoned, abandoned_staging(workspace, references));
    for (const auto& root : {workspace.home.instances(), workspace.home.images()}) {
      ANYVISOR_TRY(auto ids, list_ids(root));
      for (const auto& id : ids) ANYVISOR_CHECK(references.add_folder(root + "/" + id, true));
    }
    return abandoned;
  };
  auto abandoned = gather();
  // A damaged document: what it refers to is not known, so no disk goes.
  if (abandoned) {
    ANYVISOR_CHECK(keep_prepared(workspace, references));
    ANYVISOR_CHECK(remove_unreferenced(workspace, references));
    // Last, so that a collection that was killed is seen to be unfinished.
    for (const auto& folder : *abandoned) ANYVISOR_CHECK(remove_tree_durably(folder, "staging.remove"));
  }
  return {};
}

Result<void> collect_leftovers(const Workspace& workspace) {
  ANYVISOR_TRY(auto staging, list_ids(workspace.home.staging()));
  return staging.empty() ? Result<void>() : collect(workspace, std::chrono::milliseconds(0));
}

}  // namespace anyvisor
