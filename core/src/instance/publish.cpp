// SPDX-License-Identifier: MIT
#include "instance/publish.hpp"

#include <set>

#include "instance/identifier.hpp"
#include "instance/intent.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds names_patience{10000};

tl::unexpected<Error> name_is_taken(const std::string& name) {
  return fail(ErrorKind::already_exists, "instance \"" + name + "\" already exists",
              "choose another --name, or delete it with 'anyvisor delete " + name + "'", "/name");
}

}  // namespace

Result<void> check_name_is_free(const Workspace& workspace, const std::string& name) {
  ANYVISOR_TRY(const auto entries, read_instances(workspace));
  for (const auto& entry : entries)
    if (entry.record && entry.record->name == name) return name_is_taken(name);
  return {};
}

Result<LockedInstance> publish_instance(
    const Workspace& workspace, StagedFolder staged, InstanceRecord record,
    const std::function<std::string(const IsTaken&)>& choose_name, const std::string& operation,
    const std::function<Result<void>(const InstanceRecord&, StagedFolder&)>& prepare) {
  ANYVISOR_TRY(FileLock names, FileLock::acquire(workspace.home.names_lock(), FileLock::Mode::exclusive, names_patience,
                                                 "the list of names"));
  ANYVISOR_TRY(auto entries, read_instances(workspace));
  std::set<std::string> taken, macs;
  for (const auto& entry : entries)
    if (entry.record) {
      taken.insert(entry.record->name);
      for (const auto& network : entry.record->networks) macs.insert(network.mac);
    }
  if (record.name.empty()) record.name = choose_name([&](const std::string& name) { return taken.contains(name); });
  if (taken.contains(record.name)) return name_is_taken(record.name);
  for (auto& network : record.networks) do
      network.mac = new_mac();
    while (!macs.insert(network.mac).second);

  if (prepare) ANYVISOR_CHECK(prepare(record, staged));
  ANYVISOR_CHECK(staged.write("instance.json", render(record)));
  if (!operation.empty()) ANYVISOR_CHECK(staged.write("intent.json", render(Intent{operation, false, ""})));
  std::string folder = workspace.home.instance(record.id);
  ANYVISOR_TRY(FileLock lock, staged.publish(folder));
  return LockedInstance{std::move(record), folder, std::move(lock)};
}

}  // namespace anyvisor
