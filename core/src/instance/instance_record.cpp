// SPDX-License-Identifier: MIT
#include "instance/instance_record.hpp"

#include "instance/identifier.hpp"
#include "storage/atomic_file.hpp"
#include "storage/fd.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {
namespace {

json::Value to_json(const std::vector<Phase>& phases, json::Document& document) {
  json::Value array(rapidjson::kArrayType);
  for (const auto& phase : phases) {
    json::Value item(rapidjson::kObjectType);
    json::set(document, item, "name", phase.name);
    json::set(document, item, "start_us", static_cast<std::int64_t>(phase.start.count()));
    json::set(document, item, "duration_us", static_cast<std::int64_t>(phase.duration.count()));
    array.PushBack(item, document.GetAllocator());
  }
  return array;
}

std::vector<Phase> phases_from_json(const json::Value& array) {
  std::vector<Phase> phases;
  for (const auto& item : array.GetArray())
    phases.push_back({json::string_or(item, "name"), std::chrono::microseconds(json::int_or(item, "start_us", 0)),
                      std::chrono::microseconds(json::int_or(item, "duration_us", 0))});
  return phases;
}

json::Value to_json(const std::vector<NetworkRecord>& networks, json::Document& document) {
  json::Value array(rapidjson::kArrayType);
  for (const auto& network : networks) {
    json::Value item(rapidjson::kObjectType);
    json::set(document, item, "id", network.id);
    json::set(document, item, "plugin", network.plugin);
    json::set(document, item, "mac", network.mac);
    json::set(document, item, "restrict", network.restricted);
    json::set_value(document, item, "publish", to_json(network.publish, document));
    array.PushBack(item, document.GetAllocator());
  }
  return array;
}

}  // namespace

json::Value to_json(const std::vector<PublishedPort>& ports, json::Document& document) {
  json::Value array(rapidjson::kArrayType);
  for (const auto& port : ports) {
    json::Value item(rapidjson::kObjectType);
    json::set(document, item, "protocol", port.protocol);
    json::set(document, item, "host_address", port.host_address);
    json::set(document, item, "host_port", unsigned{port.host_port});
    json::set(document, item, "guest_port", unsigned{port.guest_port});
    array.PushBack(item, document.GetAllocator());
  }
  return array;
}

std::vector<PublishedPort> ports_from_json(const json::Value& endpoint) {
  std::vector<PublishedPort> ports;
  if (const auto* array = json::array_or_null(endpoint, "publish"))
    for (const auto& item : array->GetArray())
      ports.push_back({json::string_or(item, "protocol", "tcp"), json::string_or(item, "host_address"),
                       static_cast<std::uint16_t>(json::uint_or(item, "host_port", 0)),
                       static_cast<std::uint16_t>(json::uint_or(item, "guest_port", 0))});
  return ports;
}

std::vector<EndpointInfo> endpoints_from_json(const json::Value& array) {
  std::vector<EndpointInfo> endpoints;
  if (!array.IsArray()) return endpoints;
  for (const auto& item : array.GetArray())
    endpoints.push_back({json::string_or(item, "id"), json::string_or(item, "plugin"), json::string_or(item, "mac"),
                         json::string_or(item, "mode"), ports_from_json(item),
                         json::strings_or_empty(item, "addresses")});
  return endpoints;
}

std::uint32_t vsock_cid_of(const std::string& hardware) {
  const auto document = json::parse_object(hardware, "hardware");
  if (!document) return 0;
  if (const auto* devices = json::array_or_null(*document, "devices"))
    for (const auto& device : devices->GetArray())
      if (json::string_or(device, "kind") == "vsock")
        return static_cast<std::uint32_t>(json::uint_or(device, "cid", 0));
  return 0;
}

std::string render(const InstanceRecord& record) {
  auto document = json::make_object();
  auto& root = document;
  json::set(document, root, "schema", instance_schema);
  json::set(document, root, "id", record.id);
  json::set(document, root, "name", record.name);
  json::set(document, root, "created", record.created);
  if (!record.deleted.empty()) json::set(document, root, "deleted", record.deleted);
  json::Value image(rapidjson::kObjectType);
  json::set(document, image, "name", record.image);
  json::set(document, image, "id", record.image_id);
  json::set_value(document, root, "image", std::move(image));
  json::set(document, root, "backend", record.backend);
  json::set(document, root, "cpus", record.cpus);
  json::set(document, root, "memory", record.memory);
  if (!record.disk.empty()) json::set(document, root, "disk", record.disk);
  json::Value boot(rapidjson::kObjectType);
  json::set(document, boot, "method", record.boot_method);
  if (!record.firmware.empty()) json::set(document, boot, "firmware", record.firmware);
  json::set(document, boot, "initrd", record.has_initrd);
  if (!record.command_line.empty()) json::set(document, boot, "command_line", record.command_line);
  json::set_value(document, root, "boot", std::move(boot));
  json::set_value(document, root, "networks", to_json(record.networks, document));
  if (!record.user.empty()) json::set(document, root, "user", record.user);
  if (record.vsock_cid != 0) {
    json::Value vsock(rapidjson::kObjectType);
    json::set(document, vsock, "cid", std::uint64_t{record.vsock_cid});
    json::set(document, vsock, "ssh", record.ssh_over_vsock);
    json::set_value(document, root, "vsock", std::move(vsock));
  }
  json::set(document, root, "seed", record.has_seed);
  json::Value identity(rapidjson::kObjectType);
  json::set(document, identity, "smbios_uuid", record.smbios_uuid);
  json::set(document, identity, "vmgenid", record.vmgenid);
  json::set_value(document, root, "identity", std::move(identity));
  if (!record.cloned_from.empty()) {
    json::Value clone(rapidjson::kObjectType);
    json::set(document, clone, "source", record.cloned_from);
    json::set(document, clone, "strategy", record.clone_strategy);
    json::set(document, clone, "identity", record.clone_identity);
    if (!record.clone_consistency.empty()) json::set(document, clone, "consistency", record.clone_consistency);
    if (!record.clone_consistency_reason.empty())
      json::set(document, clone, "consistency_reason", record.clone_consistency_reason);
    if (!record.clone_base.empty()) json::set(document, clone, "base", record.clone_base);
    json::set_value(document, root, "clone", std::move(clone));
  }
  if (auto hardware = json::parse_object(record.hardware, "hardware"))
    json::set_copy(document, root, "hardware", *hardware);
  if (!record.saved.empty()) {
    json::Value memory(rapidjson::kObjectType);
    json::set(document, memory, "saved", record.saved);
    json::set(document, memory, "saved_us", std::int64_t{record.saved_took.count()});
    if (!record.restored.empty()) {
      json::set(document, memory, "restored", record.restored);
      json::set(document, memory, "restored_us", std::int64_t{record.restored_took.count()});
      json::set(document, memory, "restored_save", record.restored_save);
    }
    json::set_value(document, root, "saved_memory", std::move(memory));
  }
  if (!record.last_operation.empty()) {
    json::set(document, root, "last_operation", record.last_operation);
    json::set_value(document, root, "last_phases", to_json(record.last_phases, document));
  }
  return json::render_pretty(document);
}

Result<InstanceRecord> parse_instance(std::string_view text, std::string_view what) {
  ANYVISOR_TRY(auto document, parse_stored(text, what, instance_schema));
  auto schema = json::uint_or(document, "schema", 0);
  InstanceRecord record;
  record.id = json::string_or(document, "id");
  record.name = json::string_or(document, "name");
  record.created = json::string_or(document, "created");
  record.deleted = json::string_or(document, "deleted");
  record.backend = json::string_or(document, "backend");
  record.cpus = static_cast<unsigned>(json::uint_or(document, "cpus", 0));
  record.memory = json::uint_or(document, "memory", 0);
  record.disk = json::string_or(document, "disk");
  auto bad = [&](std::string why) {
    return fail(ErrorKind::corrupted, std::string(what) + " is damaged: " + std::move(why),
                "its disk may still be whole; 'anyvisor delete --force' removes the instance");
  };
  if (schema < 1) return bad("it has no schema version");
  if (!is_id(record.id)) return bad("it has no valid id");
  if (!check_name(record.name)) return bad("it has no valid name");
  if (record.backend.empty() || record.cpus == 0 || record.memory == 0)
    return bad("backend, cpus or memory is missing");
  if (!record.disk.empty() && !is_id(record.disk)) return bad("its disk is no id");
  if (const auto* image = json::object_or_null(document, "image")) {
    record.image = json::string_or(*image, "name");
    record.image_id = json::string_or(*image, "id");
  }
  if (const auto* boot = json::object_or_null(document, "boot")) {
    record.boot_method = json::string_or(*boot, "method");
    record.firmware = json::string_or(*boot, "firmware");
    record.has_initrd = json::bool_or(*boot, "initrd", false);
    record.command_line = json::string_or(*boot, "command_line");
  }
  if (const auto* networks = json::array_or_null(document, "networks"))
    for (const auto& item : networks->GetArray())
      record.networks.push_back({json::string_or(item, "id"), json::string_or(item, "plugin"),
                                 json::string_or(item, "mac"), json::bool_or(item, "restrict", false),
                                 ports_from_json(item)});
  record.user = json::string_or(document, "user");
  if (const auto* vsock = json::object_or_null(document, "vsock")) {
    record.vsock_cid = static_cast<std::uint32_t>(json::uint_or(*vsock, "cid", 0));
    record.ssh_over_vsock = json::bool_or(*vsock, "ssh", false);
  }
  record.has_seed = json::bool_or(document, "seed", false);
  if (const auto* identity = json::object_or_null(document, "identity")) {
    record.smbios_uuid = json::string_or(*identity, "smbios_uuid");
    record.vmgenid = json::string_or(*identity, "vmgenid");
  }
  if (const auto* clone = json::object_or_null(document, "clone")) {
    record.cloned_from = json::string_or(*clone, "source");
    record.clone_strategy = json::string_or(*clone, "strategy");
    record.clone_identity = json::string_or(*clone, "identity");
    record.clone_consistency = json::string_or(*clone, "consistency");
    record.clone_consistency_reason = json::string_or(*clone, "consistency_reason");
    record.clone_base = json::string_or(*clone, "base");
  }
  if (const auto* hardware = json::object_or_null(document, "hardware")) record.hardware = json::render(*hardware);
  if (const auto* memory = json::object_or_null(document, "saved_memory")) {
    record.saved = json::string_or(*memory, "saved");
    record.saved_took = std::chrono::microseconds(json::int_or(*memory, "saved_us", 0));
    record.restored = json::string_or(*memory, "restored");
    record.restored_took = std::chrono::microseconds(json::int_or(*memory, "restored_us", 0));
    record.restored_save = json::string_or(*memory, "restored_save");
  }
  record.last_operation = json::string_or(document, "last_operation");
  if (const auto* phases = json::array_or_null(document, "last_phases")) record.last_phases = phases_from_json(*phases);
  return record;
}

Result<InstanceRecord> read_instance(const std::string& folder) {
  std::string path = folder + "/instance.json";
  auto text = read_file(path);
  if (!text) return tl::unexpected(std::move(text).error());
  return parse_instance(*text, path);
}

Result<void> write_instance(const std::string& folder, const InstanceRecord& record, const char* step) {
  return write_file_atomically(folder, "instance.json", render(record), step);
}

}  // namespace anyvisor
