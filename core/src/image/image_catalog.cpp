// SPDX-License-Identifier: MIT
#include "image/image_catalog.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "document/json.hpp"
#include "instance/identifier.hpp"
#include "instance/lookup.hpp"
#include "storage/fd.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {

Result<std::vector<std::string>> list_ids(const std::string& folder) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(folder.c_str()), closedir);
  if (!stream && errno == ENOENT) return std::vector<std::string>();
  if (!stream) return fail_errno("cannot read \"" + folder + "\"", errno);
  std::vector<std::string> ids;
  while (const dirent* entry = readdir(stream.get()))
    if (is_id(entry->d_name)) ids.emplace_back(entry->d_name);
  std::ranges::sort(ids);
  return ids;
}

std::string render(const ImageRecord& image) {
  auto document = json::make_object();
  json::set(document, document, "schema", image_schema);
  json::set(document, document, "id", image.id);
  json::set(document, document, "name", image.name);
  json::set(document, document, "summary", image.summary);
  json::set(document, document, "created", image.created);
  json::set(document, document, "source", image.source);
  if (!image.digest.empty()) json::set(document, document, "digest", image.digest);
  if (!image.disk.empty()) {
    json::set(document, document, "disk", image.disk);
    json::set(document, document, "format", image.format);
    json::set(document, document, "virtual_size", image.virtual_size);
  }
  json::set(document, document, "kernel", image.has_kernel);
  json::set(document, document, "initrd", image.has_initrd);
  if (!image.command_line.empty()) json::set(document, document, "command_line", image.command_line);
  if (!image.firmware.empty()) json::set(document, document, "firmware", image.firmware);
  json::set(document, document, "cloud_init", image.cloud_init);
  if (image.ssh_over_vsock) json::set(document, document, "ssh_over_vsock", true);
  if (!image.user.empty()) json::set(document, document, "user", image.user);
  if (!image.store.empty()) json::set(document, document, "store", image.store);
  if (!image.key.empty()) json::set(document, document, "key", image.key);
  return json::render_pretty(document);
}

Result<ImageRecord> read_image(const std::string& folder) {
  std::string path = folder + "/image.json";
  ANYVISOR_TRY(std::string text, read_file(path));
  ANYVISOR_TRY(auto document, parse_stored(text, path, image_schema));
  auto schema = json::uint_or(document, "schema", 0);
  ImageRecord image;
  image.id = json::string_or(document, "id");
  image.name = json::string_or(document, "name");
  image.summary = json::string_or(document, "summary");
  image.created = json::string_or(document, "created");
  image.source = json::string_or(document, "source");
  image.digest = json::string_or(document, "digest");
  image.disk = json::string_or(document, "disk");
  image.format = json::string_or(document, "format");
  image.virtual_size = json::uint_or(document, "virtual_size", 0);
  image.has_kernel = json::bool_or(document, "kernel", false);
  image.has_initrd = json::bool_or(document, "initrd", false);
  image.command_line = json::string_or(document, "command_line");
  image.firmware = json::string_or(document, "firmware");
  image.cloud_init = json::bool_or(document, "cloud_init", false);
  image.ssh_over_vsock = json::bool_or(document, "ssh_over_vsock", false);
  image.user = json::string_or(document, "user");
  image.store = json::string_or(document, "store");
  image.key = json::string_or(document, "key");
  if (schema < 1 || !is_id(image.id) || image.name.empty() || (!image.disk.empty() && !is_id(image.disk)))
    return fail(ErrorKind::corrupted, path + " is damaged: id, name or disk is missing or malformed");
  return image;
}

Result<std::vector<ImageRecord>> ImageCatalog::list() const {
  ANYVISOR_TRY(auto ids, list_ids(home_.images()));
  std::vector<ImageRecord> images;
  for (const auto& id : ids)
    if (auto image = read_image(home_.images() + "/" + id)) images.push_back(std::move(*image));
  std::ranges::sort(images, {}, &ImageRecord::name);
  return images;
}

Result<ImageRecord> ImageCatalog::find(const std::string& wanted) const {
  ANYVISOR_TRY(auto ids, list_ids(home_.images()));
  std::vector<ImageRecord> images;
  std::vector<Label> labels;
  std::string hint = "see 'anyvisor image list'";
  for (const auto& id : ids) {
    auto image = read_image(home_.images() + "/" + id);
    if (image) {
      labels.push_back({image->id, image->name});
      images.push_back(std::move(*image));
    } else if (image.error().kind != ErrorKind::not_found) {
      hint = "of one image the name cannot be read, and it may be that: " + image.error().message;
    }
  }
  ANYVISOR_TRY(std::size_t index, look_up(wanted, labels, "image", hint));
  return images[index];
}

}  // namespace anyvisor
