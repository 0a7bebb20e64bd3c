// SPDX-License-Identifier: MIT
// The operations on images: import, list, info, remove.
#include <algorithm>

#include "image/fetched_image.hpp"
#include "image/image_catalog.hpp"
#include "instance/collect.hpp"
#include "instance/locked_instance.hpp"
#include "instance/operations.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds collect_patience{2000};

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

Result<void> check_user(const ImportRequest& request) {
  const auto& user = request.user;
  if (user.empty()) return {};
  if (!request.cloud_init)
    return fail(ErrorKind::invalid_argument, "a login user goes with an image that runs cloud-init",
                "say so with --cloud-init", "/user");
  constexpr std::size_t longest = 32;
  auto starts = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  auto continues = [&](char c) { return starts(c) || (c >= '0' && c <= '9') || c == '-'; };
  if (user.size() <= longest && starts(user.front()) && std::ranges::all_of(user, continues)) return {};
  return fail(ErrorKind::invalid_argument, "\"" + user + "\" is no user name",
              "give 1 to 32 lower-case letters, digits, '_' and '-', with a letter or '_' first", "/user");
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
  info.cloud_init = image.cloud_init;
  info.user = image.user;
  info.store = image.store;
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

// An image that is not here may be on its way, or be one that a store would bring.
Error explain_missing(const Workspace& workspace, const std::string& wanted, Error error) {
  if (error.kind != ErrorKind::not_found || !check_image_name(wanted)) return error;
  Operation quiet;
  auto resolved = resolve_image(workspace, wanted, quiet);
  if (!resolved) return error;
  if (resolved->is_being_built) {
    error.kind = ErrorKind::not_ready;
    error.message = "image \"" + wanted + "\" is being built";
    error.hint = "wait for it: anyvisor launch " + wanted;
    error.retry = true;
  } else {
    error.message = "image \"" + wanted + "\" is not here yet (" + resolved->summary + ")";
    error.hint = "bring it: anyvisor image import " + wanted;
  }
  return error;
}

}  // namespace

Result<ImageInfo> import_image(const Workspace& workspace, const ImportRequest& request, PhaseClock& clock) {
  clock.begin("check");
  if (request.disk.empty() && request.kernel.empty())
    return fail(ErrorKind::invalid_argument, "neither a disk nor a kernel is given",
                "give the path of a disk, or --kernel FILE");
  ANYVISOR_CHECK(check_digest(request.digest));
  recover_unfinished(workspace);
  if (!request.name.empty()) ANYVISOR_CHECK(check_image_name(request.name));
  ANYVISOR_CHECK(check_user(request));
  ANYVISOR_TRY(auto stores, workspace.plugins.of_kind("image-store"));
  ANYVISOR_TRY(ImageRecord image, fetch_image(workspace, stores, request, false, clock));
  return describe(workspace, image, {});
}

Result<std::vector<ImageInfo>> images(const Workspace& workspace) {
  ANYVISOR_TRY(auto records, ImageCatalog(workspace.home).list());
  ANYVISOR_TRY(auto instances, read_instances(workspace));
  std::vector<ImageInfo> all;
  for (const auto& record : records) all.push_back(describe(workspace, record, instances));
  return all;
}

Result<ImageInfo> image(const Workspace& workspace, const std::string& wanted) {
  auto found = ImageCatalog(workspace.home).find(wanted);
  if (!found) return tl::unexpected(explain_missing(workspace, wanted, std::move(found).error()));
  ImageRecord record = std::move(*found);
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
