// SPDX-License-Identifier: MIT
#include "hardware.hpp"

#include "pci_layout.hpp"

namespace anyvisor::qemu {
namespace {

json::Document device(const char* kind, const std::string& id, const char* model, const std::string& slot) {
  json::Document value = json::make_object();
  json::set(value, value, "kind", kind);
  json::set(value, value, "id", id);
  json::set(value, value, "model", model);
  if (!slot.empty()) json::set(value, value, "address", "0000:00:" + slot + ".0");
  return value;
}

const char* firmware_name(BootMethod method) {
  // A kernel is loaded by SeaBIOS's option ROM too.
  return method == BootMethod::uefi ? "uefi" : "bios";
}

}  // namespace

bool has_vsock(const std::string& hardware) {
  json::Document document;
  document.Parse(hardware.data(), hardware.size());
  if (document.HasParseError() || !document.IsObject()) return false;
  if (const auto* devices = json::array_or_null(document, "devices"))
    for (const auto& each : devices->GetArray())
      if (json::string_or(each, "kind") == "vsock") return true;
  return false;
}

json::Document describe_hardware(const MachineDocument& machine, const std::vector<Endpoint>& endpoints,
                                 const HardwareFacts& facts) {
  json::Document hardware = json::make_object();
  json::set(hardware, hardware, "machine_type", facts.machine_type);
  json::set(hardware, hardware, "accelerator", facts.accelerator);
  json::set(hardware, hardware, "cpu_model", facts.cpu_model);
  json::set(hardware, hardware, "cpus", machine.cpus);
  json::set(hardware, hardware, "memory", machine.memory);
  json::set(hardware, hardware, "firmware", firmware_name(machine.boot.method));
  if (!machine.smbios_uuid.empty()) json::set(hardware, hardware, "smbios_uuid", machine.smbios_uuid);
  json::Document vmm = json::make_object();
  json::set(vmm, vmm, "name", "qemu");
  json::set(vmm, vmm, "version", facts.version);
  json::set_copy(hardware, hardware, "vmm", vmm);

  json::Value devices(rapidjson::kArrayType);
  auto add = [&](const json::Document& value) { json::push_copy(hardware, devices, value); };
  add(device("serial", "console", "isa-serial", {}));
  add(device("panic", "panic", "pvpanic", {}));
  if (!machine.vmgenid.empty()) add(device("vmgenid", "vmgenid", "vmgenid", {}));
  add(device("channel", "agent", "virtio-serial-pci", pci_address(channel_slot)));
  add(device("rng", "rng", "virtio-rng-pci", pci_address(random_slot)));
  for (std::size_t i = 0; i < machine.disks.size(); ++i) {
    json::Document disk = device("disk", machine.disks[i].id, "virtio-blk-pci", disk_address(i));
    json::set(disk, disk, "read_only", machine.disks[i].read_only);
    add(disk);
  }
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    json::Document nic = device("nic", endpoints[i].id, "virtio-net-pci", nic_address(i));
    json::set(nic, nic, "mac", endpoints[i].mac);
    add(nic);
  }
  if (facts.vsock) {
    json::Document vsock = device("vsock", "vsock", "vhost-vsock-pci", pci_address(vsock_slot));
    json::set(vsock, vsock, "cid", std::uint64_t{machine.vsock.cid});
    add(vsock);
  }
  json::set_value(hardware, hardware, "devices", std::move(devices));
  return hardware;
}

}  // namespace anyvisor::qemu
