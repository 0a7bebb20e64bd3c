// SPDX-License-Identifier: MIT
#include "machine_document.hpp"

#include <algorithm>
#include <anyvisor/plugin.hpp>

#include "boot_files.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

using sdk::Failure;
using sdk::invalid;
using sdk::require_file;

Boot parse_boot(const json::Value& document) {
  const auto* value = json::object_or_null(document, "boot");
  if (!value) throw invalid("the machine has no boot method", "/boot");
  Boot boot;
  boot.kernel = json::string_or(*value, "kernel");
  boot.initrd = json::string_or(*value, "initrd");
  boot.command_line = json::string_or(*value, "command_line");
  const std::string method = json::string_or(*value, "method");
  if (method == "kernel") {
    if (boot.kernel.empty()) throw invalid("boot method kernel without a kernel", "/boot/kernel");
    boot.method = BootMethod::kernel;
  } else if (method == "firmware") {
    const std::string firmware = json::string_or(*value, "firmware", "bios");
    if (firmware != "bios" && firmware != "uefi") throw invalid("no such firmware: " + firmware, "/boot/firmware");
    if (firmware == "bios")
      throw Failure(ANYVISOR_UNSUPPORTED, "Cloud Hypervisor has no BIOS")
          .field("/boot/firmware")
          .hint("boot a kernel, or with UEFI");
    boot.method = BootMethod::firmware;
  } else {
    throw invalid("no such boot method: '" + method + "'", "/boot/method");
  }
  return boot;
}

}  // namespace

MachineDocument parse_machine(std::string_view text) {
  json::Document document = parse_object(text, "the machine document");
  sdk::refuse_what_comes_later(document, "Cloud Hypervisor");
  MachineDocument machine;
  machine.id = json::string_or(document, "id");
  machine.name = json::string_or(document, "name");
  machine.folder = json::string_or(document, "folder");
  if (machine.folder.empty() || machine.folder.front() != '/')
    throw invalid("the machine's folder must be an absolute path", "/folder");
  machine.cpus = static_cast<unsigned>(json::uint_or(document, "cpus", 0));
  if (machine.cpus == 0) throw invalid("a machine has at least one CPU", "/cpus");
  machine.max_cpus = std::max(machine.cpus, static_cast<unsigned>(json::uint_or(document, "max_cpus", 0)));
  machine.memory = sdk::parse_memory_size(document);
  const json::Value& memory = document["memory"];
  constexpr std::uint64_t mebibyte = 1024 * 1024;
  machine.hotplug_memory = json::uint_or(memory, "hotplug_size", 0);
  if (machine.hotplug_memory % mebibyte != 0)
    throw invalid("memory must be a multiple of 1 MiB", "/memory/hotplug_size");
  if (json::string_or(memory, "backing", "memfd") == "file")
    throw Failure(ANYVISOR_UNSUPPORTED,
                  "memory backed by a file comes in a later version of the Cloud Hypervisor backend")
        .field("/memory/backing");
  machine.boot = parse_boot(document);
  machine.disks = sdk::parse_all_disks(document, "Cloud Hypervisor");
  machine.vsock = sdk::parse_vsock(document);
  if (const auto* identity = json::object_or_null(document, "identity"))
    machine.smbios_uuid = json::string_or(*identity, "smbios_uuid");
  if (const auto* hardware = json::object_or_null(document, "hardware")) machine.hardware = json::render(*hardware);
  return machine;
}

std::vector<Nic> parse_endpoints(const json::Value& request) {
  std::vector<Nic> nics;
  const auto* array = json::array_or_null(request, "endpoints");
  if (!array) return nics;
  for (rapidjson::SizeType i = 0; i < array->Size(); ++i) {
    const auto& value = (*array)[i];
    const std::string field = "/endpoints/" + std::to_string(i);
    const std::string id = json::string_or(value, "id"), mac = json::string_or(value, "mac");
    if (id.empty()) throw invalid("an endpoint has no id", field + "/id");
    if (mac.empty()) throw invalid("endpoint '" + id + "' has no MAC address", field + "/mac");
    const std::string mode = json::string_or(value, "mode");
    if (mode == "user")
      throw Failure(ANYVISOR_UNSUPPORTED, "Cloud Hypervisor has no user-mode networking")
          .field(field + "/mode")
          .hint("give it no network (--network none), or run it on another backend");
    if (const auto* limits = json::object_or_null(value, "limits"); limits && !limits->ObjectEmpty())
      throw Failure(ANYVISOR_UNSUPPORTED, "rate limits come in a later version of the Cloud Hypervisor backend")
          .field(field + "/limits");
    if (mode == "tap") {
      const auto* tap = json::object_or_null(value, "tap");
      const std::string name = tap ? json::string_or(*tap, "name") : std::string();
      if (name.empty() && tap && json::int_or(*tap, "fd", -1) >= 0)
        throw Failure(ANYVISOR_UNSUPPORTED, "Cloud Hypervisor takes a tap device by its name only")
            .field(field + "/tap/fd");
      if (name.empty()) throw invalid("endpoint '" + id + "' names no tap device", field + "/tap");
      nics.push_back({id, mac, name});
    } else if (mode != "none") {
      throw invalid("no such endpoint mode: '" + mode + "'", field + "/mode");
    }
  }
  return nics;
}

void require_files(const MachineDocument& machine) {
  if (machine.boot.method == BootMethod::kernel) {
    require_file(machine.boot.kernel, "kernel", "/boot/kernel");
    require_kernel(machine.boot.kernel);
  }
  require_file(machine.boot.initrd, "initrd", "/boot/initrd");
  for (const auto& disk : machine.disks) require_disk_files(disk);
}

}  // namespace anyvisor::cloud_hypervisor
