// SPDX-License-Identifier: MIT
#include "instance/machine_document.hpp"

#include "document/fill_in.hpp"
#include "settings/settings.hpp"

namespace anyvisor {
namespace {

Result<json::Value> make_disk(const Workspace& workspace, const std::string& id, json::Document& document) {
  ANYVISOR_TRY(auto chain, workspace.disks.chain(id));
  json::Value disk(rapidjson::kObjectType);
  json::set(document, disk, "id", "root");
  json::set(document, disk, "path", workspace.disks.path(chain.front()));
  json::set(document, disk, "format", chain.front().format);
  json::set(document, disk, "read_only", false);
  json::Value layers(rapidjson::kArrayType);
  for (const auto& layer : chain) {
    json::Value item(rapidjson::kObjectType);
    json::set(document, item, "path", workspace.disks.path(layer));
    json::set(document, item, "format", layer.format);
    layers.PushBack(item, document.GetAllocator());
  }
  json::set_value(document, disk, "chain", std::move(layers));
  return disk;
}

}  // namespace

Result<json::Document> make_machine_document(const Workspace& workspace, const InstanceRecord& record) {
  std::string folder = workspace.home.instance(record.id);
  auto document = json::make_object();
  auto& root = document;
  json::set(document, root, "id", record.id);
  json::set(document, root, "name", record.name);
  json::set(document, root, "folder", folder);
  json::set(document, root, "cpus", record.cpus);
  json::Value memory(rapidjson::kObjectType);
  json::set(document, memory, "size", record.memory);
  // What cannot be read is complained of where it is asked for, not by who only looks at a machine.
  const auto settings = Settings::read(workspace.home.path());
  json::set(document, memory, "backing", settings.value_or(Settings()).value("memory.backing"));
  json::set_value(document, root, "memory", std::move(memory));

  json::Value boot(rapidjson::kObjectType);
  json::set(document, boot, "method", record.boot_method);
  if (record.boot_method == "kernel") {
    json::set(document, boot, "kernel", folder + "/kernel");
    if (record.has_initrd) json::set(document, boot, "initrd", folder + "/initrd");
    if (!record.command_line.empty())
      json::set(document, boot, "command_line", fill_in(record.command_line, {{"hostname", record.name}}));
  } else {
    json::set(document, boot, "firmware", record.firmware);
    if (record.firmware == "uefi") json::set(document, boot, "variables", folder + "/nvram.fd");
  }
  json::set_value(document, root, "boot", std::move(boot));

  json::Value disks(rapidjson::kArrayType);
  if (!record.disk.empty()) {
    ANYVISOR_TRY(json::Value disk, make_disk(workspace, record.disk, document));
    disks.PushBack(disk, document.GetAllocator());
  }
  json::set_value(document, root, "disks", std::move(disks));
  if (record.has_seed) {
    json::Value seed(rapidjson::kObjectType);
    json::set(document, seed, "path", folder + "/seed.iso");
    json::set(document, seed, "format", "raw");
    json::set(document, seed, "label", "cidata");
    json::set_value(document, root, "config_disk", std::move(seed));
  }
  if (record.vsock_cid != 0) {
    json::Value vsock(rapidjson::kObjectType);
    json::set(document, vsock, "cid", std::uint64_t{record.vsock_cid});
    json::set(document, vsock, "optional", true);
    json::set_value(document, root, "vsock", std::move(vsock));
  }

  json::Value identity(rapidjson::kObjectType);
  json::set(document, identity, "smbios_uuid", record.smbios_uuid);
  json::set(document, identity, "vmgenid", record.vmgenid);
  json::set_value(document, root, "identity", std::move(identity));
  ANYVISOR_TRY(auto hardware, json::parse_object(record.hardware, "hardware"));
  json::set_copy(document, root, "hardware", hardware);
  return document;
}

}  // namespace anyvisor
