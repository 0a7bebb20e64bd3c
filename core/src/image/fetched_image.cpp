// SPDX-License-Identifier: MIT
#include "image/fetched_image.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "host/ask_plugin.hpp"
#include "instance/collect.hpp"
#include "instance/identifier.hpp"
#include "instance/staged_folder.hpp"
#include "process/process_identity.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds resolve_limit{10000};
constexpr milliseconds fetch_limit{std::chrono::hours(6)};  // a large disk over a slow link
constexpr milliseconds ask_again{1000};
constexpr milliseconds names_patience{10000};
constexpr milliseconds collect_patience{2000};
constexpr std::size_t longest_name = 128;

json::Document make_fetch_request(const ImportRequest& request, const std::string& folder) {
  auto document = json::make_object();
  auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) json::set(document, document, name, value);
  };
  set("reference", request.disk);
  set("name", request.name);
  set("format", request.format);
  set("digest", request.digest);
  set("kernel", request.kernel);
  set("initrd", request.initrd);
  set("command_line", request.command_line);
  set("firmware", request.firmware);
  set("folder", folder);
  return document;
}

// A second, or until the operation is cancelled.
Result<void> pause(const Operation& operation) {
  if (operation.cancel_fd < 0) {
    std::this_thread::sleep_for(ask_again);
    return {};
  }
  pollfd cancelled{operation.cancel_fd, POLLIN, 0};
  if (::poll(&cancelled, 1, static_cast<int>(ask_again.count())) > 0) return fail(ErrorKind::cancelled, "cancelled");
  return {};
}

// An image, if it is there already, or what a store has brought into the folder, and which.
struct Brought {
  std::optional<ImageRecord> there;
  std::string store;
  json::Document manifest;
};

Result<Brought> ask_until_ready(const Workspace& workspace, const PluginInfo& store, const ImportRequest& request,
                                const std::string& folder, bool adopt, PhaseClock& clock) {
  const auto fetch_request = make_fetch_request(request, folder);
  bool waits = false;
  for (;;) {
    auto manifest =
        ask_plugin(workspace.plugin_host, store, "image_store.fetch", fetch_request, fetch_limit, clock.operation());
    if (manifest) return Brought{{}, store.id, std::move(*manifest)};
    const Error& error = manifest.error();
    if (error.kind != ErrorKind::not_ready || !error.retry) return tl::unexpected(std::move(manifest).error());
    if (!waits) clock.begin("waiting for another build");
    waits = true;
    ANYVISOR_CHECK(pause(clock.operation()));
    if (!adopt) continue;
    // Whoever builds it may do so for this home folder.
    auto known = ImageCatalog(workspace.home).find(request.name);
    if (known) return Brought{std::move(*known), store.id, {}};
  }
}

Result<Brought> fetch(const Workspace& workspace, const std::vector<PluginInfo>& stores, const ImportRequest& request,
                      const std::string& folder, bool adopt, PhaseClock& clock) {
  std::string declined;
  for (const auto& store : stores) {
    ANYVISOR_TRY(Brought brought, ask_until_ready(workspace, store, request, folder, adopt, clock));
    if (brought.there || !json::find(brought.manifest, "declined")) return brought;
    declined += (declined.empty() ? "" : "; ") + store.id + ": " + json::string_or(brought.manifest, "declined");
  }
  return fail(ErrorKind::unsupported,
              "no image store takes \"" + request.disk + "\"" + (declined.empty() ? "" : " (" + declined + ")"),
              "see 'anyvisor plugins list'");
}

// A bare file name that the store left in the folder: nothing may lead out of it.
Result<std::string> named_file(const json::Value& manifest, const char* part) {
  const auto* object = json::object_or_null(manifest, part);
  if (!object) return std::string();
  std::string name = json::string_or(*object, "file");
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..")
    return fail(ErrorKind::backend_failed, "the image store named \"" + name + "\" as the image's " + part);
  return name;
}

Result<void> keep_as(StagedFolder& staged, const std::string& name, const char* wanted) {
  if (name.empty()) return {};
  if (name != wanted)
    ANYVISOR_CHECK(rename_durably(staged.path() + "/" + name, staged.path() + "/" + wanted, "image.name-file"));
  return staged.flush(wanted);
}

Result<void> check_name_is_free(const Workspace& workspace, const std::string& name) {
  ANYVISOR_TRY(auto images, ImageCatalog(workspace.home).list());
  if (std::ranges::find(images, name, &ImageRecord::name) == images.end()) return {};
  return fail(ErrorKind::already_exists, "image \"" + name + "\" already exists",
              "choose another --name, or remove it with 'anyvisor image remove " + name + "'", "/name");
}

Result<ImageRecord> take_over(const Workspace& workspace, const Brought& brought, const ImportRequest& request,
                              StagedFolder& staged, const std::string& id) {
  const json::Value& manifest = brought.manifest;
  ImageRecord image;
  image.id = id;
  image.name = json::string_or(manifest, "name");
  image.summary = json::string_or(manifest, "summary");
  image.digest = json::string_or(manifest, "digest");
  image.command_line = json::string_or(manifest, "command_line");
  image.firmware = json::string_or(manifest, "firmware");
  image.cloud_init = request.cloud_init || json::bool_or(manifest, "cloud_init", false);
  image.user = request.user.empty() ? json::string_or(manifest, "user") : request.user;
  image.ssh_over_vsock = json::bool_or(manifest, "ssh_over_vsock", false);
  image.store = brought.store;
  image.key = json::string_or(manifest, "key");
  image.created = now_utc();
  image.source = request.disk.empty() ? request.kernel : request.disk;
  ANYVISOR_TRY(std::string disk_file, named_file(manifest, "disk"));
  ANYVISOR_TRY(std::string kernel, named_file(manifest, "kernel"));
  ANYVISOR_TRY(std::string initrd, named_file(manifest, "initrd"));
  ANYVISOR_CHECK(keep_as(staged, kernel, "kernel"));
  ANYVISOR_CHECK(keep_as(staged, initrd, "initrd"));
  image.has_kernel = !kernel.empty();
  image.has_initrd = !initrd.empty();
  if (!disk_file.empty()) {
    const auto& source = *json::object_or_null(manifest, "disk");
    Disk disk;
    disk.id = new_id();
    disk.format = json::string_or(source, "format");
    disk.virtual_size = json::uint_or(source, "virtual_size", 0);
    disk.frozen = true;
    disk.origin = "image " + image.name;
    disk.digest = image.digest;
    ANYVISOR_CHECK(workspace.disks.adopt(staged.path() + "/" + disk_file, disk));
    image.disk = disk.id;
    image.format = disk.format;
    image.virtual_size = disk.virtual_size;
  }
  return image;
}

}  // namespace

Result<void> check_image_name(std::string_view name) {
  auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool good = !name.empty() && name.size() <= longest_name && is_alphanumeric(name.front()) &&
                    is_alphanumeric(name.back()) && std::ranges::all_of(name, [&](char c) {
                      return is_alphanumeric(c) || c == '.' || c == '_' || c == ':' || c == '-';
                    });
  if (good && !is_id(name)) return {};
  return fail(ErrorKind::invalid_argument, "invalid image name \"" + std::string(name) + "\"",
              "a name is 1 to 128 letters, digits, '.', '_', ':' and '-', with a letter or digit at both ends",
              "/name");
}

Result<ResolvedImage> resolve_image(const Workspace& workspace, const std::string& reference, Operation& operation) {
  ANYVISOR_TRY(auto stores, workspace.plugins.of_kind("image-store"));
  auto request = json::make_object();
  json::set(request, request, "reference", reference);
  std::string declined;
  for (auto& store : stores) {
    ANYVISOR_TRY(auto reply,
                 ask_plugin(workspace.plugin_host, store, "image_store.resolve", request, resolve_limit, operation));
    if (json::find(reply, "declined")) {
      declined += (declined.empty() ? "" : "; ") + store.id + ": " + json::string_or(reply, "declined");
      continue;
    }
    return ResolvedImage{std::move(store), json::string_or(reply, "name"), json::string_or(reply, "key"),
                         json::string_or(reply, "summary"), json::bool_or(reply, "building", false)};
  }
  return fail(ErrorKind::not_found,
              "no image store knows \"" + reference + "\"" + (declined.empty() ? "" : " (" + declined + ")"),
              "see 'anyvisor image list'");
}

Result<std::optional<ImageRecord>> find_by_key(const Workspace& workspace, const std::string& store,
                                               const std::string& key) {
  if (key.empty()) return std::optional<ImageRecord>();
  ANYVISOR_TRY(auto images, ImageCatalog(workspace.home).list());
  for (auto& image : images)
    if (image.store == store && image.key == key) return std::optional(std::move(image));
  return std::optional<ImageRecord>();
}

Result<ImageRecord> fetch_image(const Workspace& workspace, const std::vector<PluginInfo>& stores,
                                const ImportRequest& request, bool adopt, PhaseClock& clock) {
  if (!request.name.empty() && !adopt) ANYVISOR_CHECK(check_name_is_free(workspace, request.name));
  const std::string id = new_id();
  auto build = [&]() -> Result<ImageRecord> {
    ANYVISOR_TRY(StagedFolder staged, StagedFolder::make(workspace, id));
    clock.begin("fetch");
    ANYVISOR_TRY(Brought brought, fetch(workspace, stores, request, staged.path(), adopt, clock));
    if (brought.there) return std::move(*brought.there);
    clock.begin("publish");
    ANYVISOR_TRY(ImageRecord image, take_over(workspace, brought, request, staged, id));
    ANYVISOR_CHECK(check_image_name(image.name));
    ANYVISOR_TRY(FileLock names, FileLock::acquire(workspace.home.names_lock(), FileLock::Mode::exclusive,
                                                   names_patience, "the list of names"));
    if (adopt) {
      ANYVISOR_TRY(auto same, find_by_key(workspace, image.store, image.key));
      if (same) return std::move(*same);
    }
    ANYVISOR_CHECK(check_name_is_free(workspace, image.name));
    ANYVISOR_CHECK(staged.write("image.json", render(image)));
    ANYVISOR_CHECK(staged.publish(workspace.home.images() + "/" + id));
    return image;
  };
  auto image = build();
  // Staged for nothing: it failed, or another was quicker.
  if (!image || image->id != id) (void)collect(workspace, collect_patience);
  return image;
}

}  // namespace anyvisor
