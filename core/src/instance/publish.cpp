// SPDX-License-Identifier: MIT
#include "instance/publish.hpp"

#include <set>

#include "image/image_catalog.hpp"
#include "instance/identifier.hpp"
#include "instance/intent.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds names_patience{10000};

tl::unexpected<Error> name_is_taken(const std::string& name, bool deleted) {
  if (deleted)
    return fail(ErrorKind::already_exists, "instance \"" + name + "\" is deleted and keeps its name until it is purged",
                "purge it with 'anyvisor purge " + name + "', take it back with 'anyvisor recover " + name +
                    "', or choose another name",
                "/name");
  return fail(ErrorKind::already_exists, "instance \"" + name + "\" already exists",
              "choose another name, or remove it for good with 'anyvisor delete --purge " + name + "'", "/name");
}

tl::unexpected<Error> name_is_coming(const std::string& name) {
  return fail(ErrorKind::already_exists, "instance \"" + name + "\" is being made by another command",
              "choose another name, or wait until that one has ended", "/name");
}

// The instances that stand in staging, held by whoever makes (or is removing) them.
Result<std::vector<InstanceRecord>> read_coming(const Workspace& workspace) {
  ANYVISOR_TRY(const auto ids, list_ids(workspace.home.staging()));
  std::vector<InstanceRecord> coming;
  for (const auto& id : ids) {
    const std::string folder = workspace.home.staging(id);
    auto record = read_instance(folder);
    if (record && !FileLock::is_free(folder + "/lock")) coming.push_back(std::move(*record));
  }
  return coming;
}

}  // namespace

Result<void> check_name_is_free(const Workspace& workspace, const std::string& name) {
  ANYVISOR_TRY(const auto entries, read_instances(workspace));
  for (const auto& entry : entries)
    if (entry.record && entry.record->name == name) return name_is_taken(name, !entry.record->deleted.empty());
  ANYVISOR_TRY(const auto coming, read_coming(workspace));
  for (const auto& one : coming)
    if (one.name == name) return name_is_coming(name);
  return {};
}

Result<LockedInstance> publish_instance(
    const Workspace& workspace, StagedFolder staged, InstanceRecord record,
    const std::function<std::string(const IsTaken&)>& choose_name, const std::string& operation,
    const std::function<Result<void>(const InstanceRecord&, StagedFolder&)>& prepare) {
  ANYVISOR_TRY(FileLock names, FileLock::acquire(workspace.home.names_lock(), FileLock::Mode::exclusive, names_patience,
                                                 "the list of names"));
  // Those that are being made first: what is published in between is then seen among the instances.
  ANYVISOR_TRY(const auto coming, read_coming(workspace));
  ANYVISOR_TRY(const auto entries, read_instances(workspace));
  std::set<std::string> taken, deleted, being_made, macs;
  std::set<std::uint32_t> cids;
  for (const auto& entry : entries)
    if (entry.record) {
      taken.insert(entry.record->name);
      if (!entry.record->deleted.empty()) deleted.insert(entry.record->name);
      cids.insert(entry.record->vsock_cid);
      for (const auto& network : entry.record->networks) macs.insert(network.mac);
    }
  for (const auto& one : coming) {
    being_made.insert(one.name);
    cids.insert(one.vsock_cid);
    for (const auto& network : one.networks) macs.insert(network.mac);
  }
  if (record.name.empty())
    record.name =
        choose_name([&](const std::string& name) { return taken.contains(name) || being_made.contains(name); });
  if (taken.contains(record.name)) return name_is_taken(record.name, deleted.contains(record.name));
  if (being_made.contains(record.name)) return name_is_coming(record.name);
  for (auto& network : record.networks) do
      network.mac = new_mac();
    while (!macs.insert(network.mac).second);
  record.vsock_cid = 0;
  // Who nobody logs in to has no use for one.
  if (!record.user.empty()) do
      record.vsock_cid = new_vsock_cid();
    while (!cids.insert(record.vsock_cid).second);

  ANYVISOR_CHECK(staged.write("instance.json", render(record)));
  names.release();
  if (prepare) ANYVISOR_CHECK(prepare(record, staged));
  if (!operation.empty()) ANYVISOR_CHECK(staged.write("intent.json", render(Intent{operation, false, ""})));
  std::string folder = workspace.home.instance(record.id);
  ANYVISOR_TRY(FileLock lock, staged.publish(folder));
  return LockedInstance{std::move(record), folder, std::move(lock)};
}

}  // namespace anyvisor
