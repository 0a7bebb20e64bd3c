// SPDX-License-Identifier: MIT
// Images: brought by an image store into a staging folder, then published.
#include <sys/stat.h>

#include <algorithm>

#include "host/host_client.hpp"
#include "image/image_catalog.hpp"
#include "instance/collect.hpp"
#include "instance/identifier.hpp"
#include "instance/locked_instance.hpp"
#include "instance/operations.hpp"
#include "instance/staged_folder.hpp"
#include "process/process_identity.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds fetch_limit{std::chrono::hours(6)};  // a large disk over a slow link
constexpr milliseconds names_patience{10000};
constexpr milliseconds collect_patience{2000};

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

// Asks the stores in turn: the first that does not decline brings it.
Result<json::Document> fetch(const Workspace& workspace, const ImportRequest& request, const std::string& folder,
                             PhaseClock& clock) {
  ANYVISOR_TRY(auto stores, workspace.plugins.of_kind("image-store"));
  std::string declined;
  for (const auto& store : stores) {
    ANYVISOR_TRY(HostClient client, HostClient::start_private(workspace.plugin_host, {store.path}));
    auto params = json::make_object();
    json::set(params, params, "plugin", store.id);
    json::set_value(params, params, "settings", json::Value(rapidjson::kObjectType));
    json::set_copy(params, params, "request", make_fetch_request(request, folder));
    auto manifest = client.call("image_store.fetch", params, fetch_limit, clock.operation());
    if (!manifest || !json::find(*manifest, "declined")) return manifest;
    declined += (declined.empty() ? "" : "; ") + store.id + ": " + json::string_or(*manifest, "declined");
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

Result<ImageRecord> take_over(const Workspace& workspace, const json::Value& manifest, const ImportRequest& request,
                              StagedFolder& staged, const std::string& id) {
  ImageRecord image;
  image.id = id;
  image.name = json::string_or(manifest, "name");
  image.summary = json::string_or(manifest, "summary");
  image.digest = json::string_or(manifest, "digest");
  image.command_line = json::string_or(manifest, "command_line");
  image.firmware = json::string_or(manifest, "firmware");
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

Result<void> check_digest(const std::string& digest) {
  constexpr std::string_view prefix = "sha256:";
  constexpr std::size_t hex_digits = 64;
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  if (digest.empty() || (digest.starts_with(prefix) && digest.size() == prefix.size() + hex_digits &&
                         std::ranges::all_of(digest.substr(prefix.size()), is_hex)))
    return {};
  return fail(ErrorKind::invalid_argument, "\"" + digest + "\" is no digest",
              "give sha256: and 64 hexadecimal digits, as 'sha256sum FILE' prints them", "/digest");
}

ImageInfo describe(const Workspace& workspace, const ImageRecord& image, const std::vector<InstanceEntry>& instances) {
  ImageInfo info;
  info.id = image.id;
  info.name = image.name;
  info.summary = image.summary;
  info.digest = image.digest;
  info.format = image.format;
  info.created = image.created;
  info.command_line = image.command_line;
  info.firmware = image.firmware;
  info.source = image.source;
  info.virtual_size = image.virtual_size;
  info.has_disk = !image.disk.empty();
  info.has_kernel = image.has_kernel;
  info.has_initrd = image.has_initrd;
  if (info.has_disk)
    if (auto disk = workspace.disks.read(image.disk)) info.disk_size = workspace.disks.occupied(*disk);
  for (const auto& entry : instances)
    if (entry.record && entry.record->image_id == image.id) info.used_by.push_back(entry.record->name);
  std::ranges::sort(info.used_by);
  return info;
}

}  // namespace

Result<ImageInfo> import_image(const Workspace& workspace, const ImportRequest& request, PhaseClock& clock) {
  clock.begin("check");
  if (request.disk.empty() && request.kernel.empty())
    return fail(ErrorKind::invalid_argument, "neither a disk nor a kernel is given",
                "give the path of a disk, or --kernel FILE");
  ANYVISOR_CHECK(check_digest(request.digest));
  recover_unfinished(workspace);
  if (!request.name.empty()) {
    ANYVISOR_CHECK(check_name(request.name));
    ANYVISOR_CHECK(check_name_is_free(workspace, request.name));
  }
  std::string id = new_id();
  auto build = [&]() -> Result<ImageRecord> {
    ANYVISOR_TRY(StagedFolder staged, StagedFolder::make(workspace, id));
    clock.begin("fetch");
    ANYVISOR_TRY(auto manifest, fetch(workspace, request, staged.path(), clock));
    clock.begin("publish");
    ANYVISOR_TRY(ImageRecord image, take_over(workspace, manifest, request, staged, id));
    ANYVISOR_CHECK(check_name(image.name));
    ANYVISOR_TRY(FileLock names, FileLock::acquire(workspace.home.names_lock(), FileLock::Mode::exclusive,
                                                   names_patience, "the list of names"));
    ANYVISOR_CHECK(check_name_is_free(workspace, image.name));
    ANYVISOR_CHECK(staged.write("image.json", render(image)));
    ANYVISOR_CHECK(staged.publish(workspace.home.images() + "/" + id));
    return image;
  };
  auto image = build();
  if (!image) {
    (void)collect(workspace, collect_patience);
    return tl::unexpected(std::move(image).error());
  }
  return describe(workspace, *image, {});
}

Result<std::vector<ImageInfo>> images(const Workspace& workspace) {
  ANYVISOR_TRY(auto records, ImageCatalog(workspace.home).list());
  ANYVISOR_TRY(auto instances, read_instances(workspace));
  std::vector<ImageInfo> all;
  for (const auto& record : records) all.push_back(describe(workspace, record, instances));
  return all;
}

Result<ImageInfo> image(const Workspace& workspace, const std::string& wanted) {
  ANYVISOR_TRY(auto record, ImageCatalog(workspace.home).find(wanted));
  ANYVISOR_TRY(auto instances, read_instances(workspace));
  return describe(workspace, record, instances);
}

Result<void> remove_image(const Workspace& workspace, const std::string& wanted, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ImageCatalog catalog(workspace.home);
  ANYVISOR_TRY(auto record, catalog.find(wanted));
  clock.begin("removal");
  auto renamed = rename_durably(catalog.folder(record), workspace.home.staging(record.id), "image.unpublish");
  if (!renamed && renamed.error().kind != ErrorKind::not_found) return renamed;
  return collect(workspace, collect_patience);
}

}  // namespace anyvisor
