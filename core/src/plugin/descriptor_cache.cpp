// SPDX-License-Identifier: MIT
#include "plugin/descriptor_cache.hpp"

#include <anyvisor/plugin.h>

#include <utility>

#include "document/schema.hpp"
#include "storage/atomic_file.hpp"
#include "storage/cache_file.hpp"
#include "storage/fd.hpp"

namespace anyvisor {
namespace {

constexpr unsigned cache_schema = 1;

std::string abi_text() {
  return std::to_string(ANYVISOR_ABI_MAJOR) + "." + std::to_string(ANYVISOR_ABI_MINOR);
}

bool is_of(const json::Value& entry, const PluginFile& file, const std::string& host_version) {
  const json::Value* identity = json::object_or_null(entry, "identity");
  return json::uint_or(entry, "schema", 0) == cache_schema && json::string_or(entry, "host") == host_version &&
         json::string_or(entry, "abi") == abi_text() && json::string_or(entry, "path") == file.resolved && identity &&
         FileIdentity{json::uint_or(*identity, "device", 0), json::uint_or(*identity, "inode", 0),
                      json::uint_or(*identity, "size", 0), json::int_or(*identity, "mtime_ns", 0)} == file.identity;
}

}  // namespace

DescriptorCache::DescriptorCache(std::string folder, std::string host_version)
    : folder_(std::move(folder)), host_version_(std::move(host_version)) {}

std::string DescriptorCache::file_name(const PluginFile& file) const {
  return cache_file_name("plugin", file.resolved);
}

std::optional<json::Document> DescriptorCache::get(const PluginFile& file) const {
  const std::string name = file_name(file);
  auto text = read_file(folder_ + "/" + name);
  if (!text) return std::nullopt;
  auto entry = json::parse_object(*text, name);
  if (!entry || !is_of(*entry, file, host_version_)) return std::nullopt;
  const json::Value* plugin = json::object_or_null(*entry, "plugin");
  if (!plugin || json::find(*plugin, "error") || !json::check_schema(*plugin, "plugin-descriptor")) return std::nullopt;
  json::Document descriptor;
  descriptor.CopyFrom(*plugin, descriptor.GetAllocator());
  return descriptor;
}

Result<void> DescriptorCache::put(const PluginFile& file, const json::Value& descriptor) const {
  if (json::find(descriptor, "error")) return {};
  auto entry = json::make_object();
  json::set(entry, entry, "schema", cache_schema);
  json::set(entry, entry, "host", host_version_);
  json::set(entry, entry, "abi", abi_text());
  json::set(entry, entry, "path", file.resolved);
  json::Value identity(rapidjson::kObjectType);
  json::set(entry, identity, "device", file.identity.device);
  json::set(entry, identity, "inode", file.identity.inode);
  json::set(entry, identity, "size", file.identity.size);
  json::set(entry, identity, "mtime_ns", file.identity.mtime_ns);
  json::set_value(entry, entry, "identity", std::move(identity));
  json::set_copy(entry, entry, "plugin", descriptor);
  ANYVISOR_CHECK(make_folder_durably(folder_, "cache.folder"));
  return write_file_atomically(folder_, file_name(file), json::render_pretty(entry), "cache.plugin");
}

}  // namespace anyvisor
