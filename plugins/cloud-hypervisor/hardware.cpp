// SPDX-License-Identifier: MIT
#include "hardware.hpp"

#include <anyvisor/plugin.hpp>

namespace anyvisor::cloud_hypervisor {
namespace {

json::Document device(const char* kind, const std::string& id, const char* model) {
  json::Document value = json::make_object();
  json::set(value, value, "kind", kind);
  json::set(value, value, "id", id);
  json::set(value, value, "model", model);
  return value;
}

}  // namespace

json::Document describe_hardware(const MachineDocument& machine, const std::vector<Nic>& nics, Version version) {
  json::Document hardware = json::make_object();
  json::set(hardware, hardware, "machine_type", "cloud-hypervisor");
  json::set(hardware, hardware, "accelerator", "kvm");
  json::set(hardware, hardware, "cpu_model", "host");
  json::set(hardware, hardware, "cpus", machine.cpus);
  json::set(hardware, hardware, "memory", machine.memory);
  json::set(hardware, hardware, "firmware", machine.boot.method == BootMethod::firmware ? "uefi" : "none");
  if (!machine.smbios_uuid.empty()) json::set(hardware, hardware, "smbios_uuid", machine.smbios_uuid);
  json::Document vmm = json::make_object();
  json::set(vmm, vmm, "name", "cloud-hypervisor");
  json::set(vmm, vmm, "version", to_string(version));
  json::set_copy(hardware, hardware, "vmm", vmm);

  json::Value devices(rapidjson::kArrayType);
  auto add = [&](const json::Document& value) { json::push_copy(hardware, devices, value); };
  add(device("serial", "console", "isa-serial"));
  add(device("rng", "rng", "virtio-rng-pci"));
  for (const auto& disk : machine.disks) {
    json::Document value = device("disk", disk.id, "virtio-blk-pci");
    json::set(value, value, "read_only", disk.read_only);
    add(value);
  }
  if (machine.vsock.cid != 0) {
    json::Document value = device("vsock", "vsock", "virtio-vsock-pci");
    json::set(value, value, "cid", std::uint64_t{machine.vsock.cid});
    add(value);
  }
  for (const auto& nic : nics) {
    json::Document value = device("nic", nic.id, "virtio-net-pci");
    json::set(value, value, "mac", nic.mac);
    add(value);
  }
  json::set_value(hardware, hardware, "devices", std::move(devices));
  return hardware;
}

void require_same_hardware(const MachineDocument& machine, const std::vector<Nic>& nics, Version version) {
  if (machine.hardware.empty())
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the hardware that the memory was saved with is not known")
        .field("/hardware");
  const json::Document here = describe_hardware(machine, nics, version);
  json::Document then;
  then.Parse(machine.hardware.data(), machine.hardware.size());
  for (const auto& member : here.GetObject()) {
    const std::string name = member.name.GetString();
    const auto saved = then.FindMember(member.name);
    if (saved != then.MemberEnd() && saved->value == member.value) continue;
    throw sdk::Failure(ANYVISOR_INVALID_STATE, "the memory was saved with other hardware: " + name + " was " +
                                                   (saved == then.MemberEnd() ? "absent" : json::render(saved->value)) +
                                                   " and is " + json::render(member.value))
        .field("/hardware/" + name)
        .hint(name == "vmm" ? "saved memory belongs to the version of Cloud Hypervisor that wrote it: install that one"
                            : "give the machine the hardware back that it had");
  }
}

}  // namespace anyvisor::cloud_hypervisor
