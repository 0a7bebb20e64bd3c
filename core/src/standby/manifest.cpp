// SPDX-License-Identifier: MIT
#include "standby/manifest.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "instance/identifier.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {
namespace {

json::Value to_json(const UntouchedFile& file, json::Document& document) {
  json::Value object(rapidjson::kObjectType);
  json::set(document, object, "size", file.size);
  json::set(document, object, "changed_ns", file.changed_ns);
  return object;
}

UntouchedFile file_from_json(const json::Value& object) {
  return {json::uint_or(object, "size", 0), json::int_or(object, "changed_ns", 0)};
}

json::Value keeper_to_json(const Manifest& manifest, json::Document& document) {
  json::Value object(rapidjson::kObjectType);
  json::set(document, object, "pid", manifest.keeper.pid);
  json::set(document, object, "start_time", manifest.keeper.start_time);
  json::set(document, object, "boot_id", manifest.keeper.boot_id);
  json::Value home(rapidjson::kObjectType);
  json::set(document, home, "device", manifest.home.device);
  json::set(document, home, "inode", manifest.home.inode);
  json::set_value(document, object, "home", std::move(home));
  return object;
}

void keeper_from_json(const json::Value& object, Manifest& manifest) {
  manifest.keeper = {static_cast<int>(json::int_or(object, "pid", 0)), json::uint_or(object, "start_time", 0),
                     json::string_or(object, "boot_id")};
  if (const auto* home = json::object_or_null(object, "home"))
    manifest.home = {json::uint_or(*home, "device", 0), json::uint_or(*home, "inode", 0)};
}

// `text` as a member; what does not parse is left out.
void set_parsed(json::Document& document, const char* name, const std::string& text) {
  json::Document value;
  value.Parse(text.data(), text.size());
  if (!value.HasParseError()) json::set_copy(document, document, name, value);
}

bool is_bare_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

}  // namespace

Result<UntouchedFile> UntouchedFile::of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno("cannot look at \"" + path + "\"", errno);
  constexpr std::int64_t second = 1'000'000'000;
  return UntouchedFile{static_cast<std::uint64_t>(status.st_size),
                       std::int64_t{status.st_mtim.tv_sec} * second + status.st_mtim.tv_nsec};
}

std::string saved_folder(const std::string& instance_folder) {
  return instance_folder + "/saved";
}

std::string render(const Manifest& manifest) {
  auto document = json::make_object();
  auto& root = document;
  json::set(document, root, "schema", manifest_schema);
  json::set(document, root, "instance", manifest.instance);
  json::set(document, root, "save", manifest.save);
  json::set(document, root, "saved", manifest.saved);
  json::set(document, root, "took_us", std::int64_t{manifest.took.count()});
  json::set(document, root, "durable", manifest.durable);
  if (!manifest.durable) json::set_value(document, root, "keeper", keeper_to_json(manifest, document));
  json::Value memory(rapidjson::kObjectType);
  json::set(document, memory, "size", manifest.memory_size);
  if (!manifest.memory_file.empty()) {
    json::set(document, memory, "file", manifest.memory_file);
    json::set(document, memory, "file_size", manifest.memory_file_size);
  }
  json::set_value(document, root, "memory", std::move(memory));
  json::Value state(rapidjson::kObjectType);
  json::set(document, state, "file", manifest.state_file);
  json::set(document, state, "size", manifest.state_size);
  json::set(document, state, "digest", manifest.state_digest);
  json::set_value(document, root, "device_state", std::move(state));
  if (!manifest.disk.empty()) {
    json::Value disk = to_json(manifest.disk_content, document);
    json::set(document, disk, "id", manifest.disk);
    json::set(document, disk, "file", manifest.disk_file);
    json::set_value(document, root, "disk", std::move(disk));
  }
  if (manifest.firmware_variables)
    json::set_value(document, root, "firmware_variables", to_json(*manifest.firmware_variables, document));
  set_parsed(document, "hardware", manifest.hardware);
  set_parsed(document, "machine", manifest.machine);
  set_parsed(document, "endpoints", manifest.endpoints);
  json::Value vmm(rapidjson::kObjectType);
  json::set(document, vmm, "name", manifest.vmm_name);
  json::set(document, vmm, "version", manifest.vmm_version);
  json::set_value(document, root, "vmm", std::move(vmm));
  json::set(document, root, "agent", manifest.has_agent);
  if (!manifest.host_cpu.empty()) json::set(document, root, "host_cpu", manifest.host_cpu);
  return json::render_pretty(document);
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view what) {
  ANYVISOR_TRY(auto document, parse_stored(text, what, manifest_schema));
  Manifest manifest;
  manifest.instance = json::string_or(document, "instance");
  manifest.save = json::string_or(document, "save");
  manifest.saved = json::string_or(document, "saved");
  manifest.took = std::chrono::microseconds(json::int_or(document, "took_us", 0));
  manifest.durable = json::bool_or(document, "durable", true);
  if (const auto* keeper = json::object_or_null(document, "keeper")) keeper_from_json(*keeper, manifest);
  if (const auto* memory = json::object_or_null(document, "memory")) {
    manifest.memory_size = json::uint_or(*memory, "size", 0);
    manifest.memory_file = json::string_or(*memory, "file");
    manifest.memory_file_size = json::uint_or(*memory, "file_size", 0);
  }
  if (const auto* state = json::object_or_null(document, "device_state")) {
    manifest.state_file = json::string_or(*state, "file");
    manifest.state_size = json::uint_or(*state, "size", 0);
    manifest.state_digest = json::string_or(*state, "digest");
  }
  if (const auto* disk = json::object_or_null(document, "disk")) {
    manifest.disk = json::string_or(*disk, "id");
    manifest.disk_file = json::string_or(*disk, "file");
    manifest.disk_content = file_from_json(*disk);
  }
  if (const auto* variables = json::object_or_null(document, "firmware_variables"))
    manifest.firmware_variables = file_from_json(*variables);
  if (const auto* hardware = json::object_or_null(document, "hardware")) manifest.hardware = json::render(*hardware);
  if (const auto* machine = json::object_or_null(document, "machine")) manifest.machine = json::render(*machine);
  if (const auto* endpoints = json::array_or_null(document, "endpoints")) manifest.endpoints = json::render(*endpoints);
  if (const auto* vmm = json::object_or_null(document, "vmm")) {
    manifest.vmm_name = json::string_or(*vmm, "name");
    manifest.vmm_version = json::string_or(*vmm, "version");
  }
  manifest.has_agent = json::bool_or(document, "agent", false);
  manifest.host_cpu = json::string_or(document, "host_cpu");
  const bool whole = is_id(manifest.instance) && is_id(manifest.save) && is_bare_name(manifest.state_file) &&
                     (manifest.durable ? is_bare_name(manifest.memory_file) : manifest.keeper.pid > 0) &&
                     (manifest.disk.empty() || (is_id(manifest.disk) && is_bare_name(manifest.disk_file)));
  if (json::uint_or(document, "schema", 0) < 1 || !whole)
    return fail(ErrorKind::corrupted, std::string(what) + " is damaged: it does not say what belongs together");
  return manifest;
}

Result<std::optional<Manifest>> read_manifest(const std::string& instance_folder, const std::string& name) {
  const std::string path = saved_folder(instance_folder) + "/" + name;
  auto text = read_file(path);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return std::optional<Manifest>();
    return tl::unexpected(std::move(text).error());
  }
  ANYVISOR_TRY(auto manifest, parse_manifest(*text, path));
  return std::optional<Manifest>(std::move(manifest));
}

bool has_manifest(const std::string& instance_folder) {
  return ::access((saved_folder(instance_folder) + "/" + manifest_name).c_str(), F_OK) == 0;
}

bool is_kept(const Manifest& manifest, const std::string& home) {
  if (manifest.durable) return true;
  const auto folder = FolderIdentity::of(home);
  if (!folder || folder->device != manifest.home.device || folder->inode != manifest.home.inode) return false;
  const auto process = ProcessIdentity::of(manifest.keeper.pid);
  return process && process->start_time == manifest.keeper.start_time && process->boot_id == manifest.keeper.boot_id;
}

std::string visible_machine(const InstanceRecord& record) {
  auto document = json::make_object();
  json::set(document, document, "backend", record.backend);
  json::set(document, document, "cpus", record.cpus);
  json::set(document, document, "memory", record.memory);
  json::set(document, document, "boot", record.boot_method);
  json::set(document, document, "firmware", record.firmware);
  json::set(document, document, "disk", !record.disk.empty());
  json::set(document, document, "seed", record.has_seed);
  json::set(document, document, "smbios_uuid", record.smbios_uuid);
  json::set(document, document, "vmgenid", record.vmgenid);
  std::vector<std::string> networks;
  for (const auto& network : record.networks) networks.push_back(network.id + " " + network.mac);
  json::set(document, document, "networks", networks);
  return json::render(document);
}

}  // namespace anyvisor
