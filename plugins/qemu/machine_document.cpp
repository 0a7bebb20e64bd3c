// SPDX-License-Identifier: MIT
#include "machine_document.hpp"

#include <anyvisor/plugin.hpp>

namespace anyvisor::qemu {
namespace {

using sdk::Failure;
using sdk::invalid;

Boot parse_boot(const json::Value& document) {
  const auto* value = json::object_or_null(document, "boot");
  if (!value) throw invalid("the machine has no boot method", "/boot");
  Boot boot;
  boot.kernel = json::string_or(*value, "kernel");
  boot.initrd = json::string_or(*value, "initrd");
  boot.command_line = json::string_or(*value, "command_line");
  boot.variables = json::string_or(*value, "variables");
  std::string method = json::string_or(*value, "method");
  if (method == "kernel") {
    if (boot.kernel.empty()) throw invalid("boot method kernel without a kernel", "/boot/kernel");
    boot.method = BootMethod::kernel;
  } else if (method == "firmware") {
    std::string firmware = json::string_or(*value, "firmware", "bios");
    if (firmware != "bios" && firmware != "uefi") throw invalid("no such firmware: " + firmware, "/boot/firmware");
    boot.method = firmware == "uefi" ? BootMethod::uefi : BootMethod::bios;
  } else {
    throw invalid("no such boot method: '" + method + "'", "/boot/method");
  }
  return boot;
}

}  // namespace

MachineDocument parse_machine(std::string_view text) {
  json::Document document = parse_object(text, "the machine document");
  sdk::refuse_what_comes_later(document, "QEMU");
  MachineDocument machine;
  machine.id = json::string_or(document, "id");
  machine.name = json::string_or(document, "name");
  machine.folder = json::string_or(document, "folder");
  if (machine.folder.empty() || machine.folder.front() != '/')
    throw invalid("the machine's folder must be an absolute path", "/folder");
  machine.cpus = static_cast<unsigned>(json::uint_or(document, "cpus", 0));
  if (machine.cpus == 0) throw invalid("a machine has at least one CPU", "/cpus");
  machine.memory = sdk::parse_memory_size(document);
  machine.memory_in_file = json::string_or(document["memory"], "backing", "memfd") == "file";
  machine.boot = parse_boot(document);
  machine.disks = sdk::parse_all_disks(document, "QEMU");
  machine.vsock = sdk::parse_vsock(document);
  if (const auto* identity = json::object_or_null(document, "identity")) {
    machine.smbios_uuid = json::string_or(*identity, "smbios_uuid");
    machine.vmgenid = json::string_or(*identity, "vmgenid");
  }
  if (const auto* hardware = json::object_or_null(document, "hardware")) {
    machine.hardware_machine_type = json::string_or(*hardware, "machine_type");
    machine.hardware = json::render(*hardware);
  }
  return machine;
}

std::vector<Endpoint> parse_endpoints(const json::Value& create_request) {
  std::vector<Endpoint> endpoints;
  const auto* array = json::array_or_null(create_request, "endpoints");
  if (!array) return endpoints;
  for (rapidjson::SizeType i = 0; i < array->Size(); ++i) {
    const auto& value = (*array)[i];
    std::string field = "/endpoints/" + std::to_string(i);
    Endpoint endpoint;
    endpoint.id = json::string_or(value, "id");
    endpoint.mac = json::string_or(value, "mac");
    if (endpoint.id.empty()) throw invalid("an endpoint has no id", field + "/id");
    if (endpoint.mac.empty()) throw invalid("endpoint '" + endpoint.id + "' has no MAC address", field + "/mac");
    std::string mode = json::string_or(value, "mode");
    if (mode == "user") {
      endpoint.mode = EndpointMode::user;
      endpoint.restricted = json::bool_or(value, "restrict", false);
      if (const auto* ports = json::array_or_null(value, "publish"))
        for (const auto& port : ports->GetArray())
          endpoint.publish.push_back({json::string_or(port, "protocol", "tcp"),
                                      json::string_or(port, "host_address", "127.0.0.1"),
                                      static_cast<unsigned>(json::uint_or(port, "host_port", 0)),
                                      static_cast<unsigned>(json::uint_or(port, "guest_port", 0))});
    } else if (mode == "tap") {
      endpoint.mode = EndpointMode::tap;
      if (const auto* tap = json::object_or_null(value, "tap")) {
        endpoint.tap_name = json::string_or(*tap, "name");
        endpoint.tap_fd = static_cast<int>(json::int_or(*tap, "fd", -1));
      }
      if (endpoint.tap_fd < 0 && endpoint.tap_name.empty())
        throw invalid("endpoint '" + endpoint.id + "' names no tap device", field + "/tap");
    } else if (mode == "none") {
      endpoint.mode = EndpointMode::none;
    } else {
      throw invalid("no such endpoint mode: '" + mode + "'", field + "/mode");
    }
    if (const auto* limits = json::object_or_null(value, "limits"); limits && !limits->ObjectEmpty())
      throw Failure(ANYVISOR_UNSUPPORTED, "rate limits come in a later version of the QEMU backend")
          .field(field + "/limits");
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

void require_files(const MachineDocument& machine) {
  sdk::require_file(machine.boot.kernel, "kernel", "/boot/kernel");
  sdk::require_file(machine.boot.initrd, "initrd", "/boot/initrd");
  for (const auto& disk : machine.disks) sdk::require_disk_files(disk);
}

}  // namespace anyvisor::qemu
