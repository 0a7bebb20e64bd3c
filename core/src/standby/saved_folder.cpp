// SPDX-License-Identifier: MIT
#include "standby/saved_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "host/host_client.hpp"
#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"
#include "storage/fd.hpp"
#include "storage/lock.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds retire_patience{2000};
// The RAM, under the name that docs/standby.md gives it. A VMM may run on it.
constexpr const char* memory_name = "memory";

Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(folder.c_str());
  if (!directory) {
    if (errno == ENOENT) return names;
    return fail_errno("cannot open folder \"" + folder + "\"", errno);
  }
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(directory);
  return names;
}

// Removes what `goes` says, the manifest first and durably: whatever else is missing then, nobody takes it for a state.
Result<void> remove_from(const std::string& folder, const std::function<bool(const std::string&)>& goes,
                         const char* step) {
  ANYVISOR_TRY(auto names, names_in(folder));
  std::erase_if(names, [&](const std::string& name) { return !goes(name); });
  if (names.empty()) return {};
  if (std::erase(names, std::string(manifest_name)) > 0)
    ANYVISOR_CHECK(remove_file_durably(folder, manifest_name, step));
  if (names.empty()) return {};
  DurableStep durable(step);
  for (const auto& name : names) {
    const std::string path = folder + "/" + name;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("cannot remove \"" + path + "\"", errno);
  }
  return sync_folder(folder);
}

}  // namespace

Result<void> prepare_saved_folder(const std::string& instance_folder) {
  const std::string folder = saved_folder(instance_folder);
  ANYVISOR_CHECK(make_folder_durably(folder, "standby.folder"));
  return remove_from(
      folder, [](const std::string& name) { return name != memory_name && name != consumed_name; }, "standby.clear");
}

Result<void> publish_manifest(const std::string& instance_folder, const Manifest& manifest) {
  const std::string folder = saved_folder(instance_folder);
  auto written = write_file_atomically(folder, manifest_name, render(manifest), "standby.publish");
  if (written) return written;
  // It may be there all the same, and not be durable.
  if (auto taken_back = remove_file_durably(folder, manifest_name, "standby.take-back"); !taken_back) {
    Error error = std::move(taken_back).error();
    error.kind = ErrorKind::corrupted;
    return tl::unexpected(std::move(error));
  }
  return written;
}

Result<void> consume_manifest(const std::string& instance_folder) {
  const std::string folder = saved_folder(instance_folder);
  const std::string from = folder + "/" + manifest_name, to = folder + "/" + consumed_name;
  DurableStep durable("restore.consume");
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno("cannot rename \"" + from + "\"", errno);
  auto synced = sync_folder(folder);
  if (synced) return synced;
  Error error = std::move(synced).error();
  if (::rename(to.c_str(), from.c_str()) != 0) error.kind = ErrorKind::corrupted;
  return tl::unexpected(std::move(error));
}

Result<void> drop_manifest(const std::string& instance_folder) {
  return remove_file_durably(saved_folder(instance_folder), manifest_name, "saved.drop-manifest");
}

void drop_device_state(const std::string& instance_folder) {
  (void)remove_from(
      saved_folder(instance_folder),
      [](const std::string& name) { return name != memory_name && name != consumed_name && name != manifest_name; },
      "saved.drop-device-state");
}

Result<void> drop_saved_state(const std::string& instance_folder, bool keep_consumed) {
  return remove_from(
      saved_folder(instance_folder), [&](const std::string& name) { return !keep_consumed || name != consumed_name; },
      "saved.drop");
}

void let_go_of_kept_memory(const std::string& instance_folder) {
  if (FileLock::is_free(instance_folder + "/host.lock")) return;
  auto host = HostClient::connect(instance_folder, retire_patience);
  if (host) (void)host->call("retire", json::make_object(), retire_patience);
}

}  // namespace anyvisor
