// SPDX-License-Identifier: MIT
#include "machine_document.hpp"

#include <unistd.h>

#include <algorithm>
#include <anyvisor/plugin.hpp>

#include "boot_files.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

using sdk::Failure;

constexpr const char* later = " come in a later version of the Cloud Hypervisor backend";

Failure invalid(const std::string& message, const std::string& field) {
  return Failure(ANYVISOR_INVALID_ARGUMENT, message).field(field);
}

ChainLink parse_link(const json::Value& value, const std::string& field) {
  ChainLink link{json::string_or(value, "path"), json::string_or(value, "format")};
  if (link.path.empty() || link.path.front() != '/')
    throw invalid("a disk's path must be absolute: '" + link.path + "'", field + "/path");
  if (link.format != "raw" && link.format != "qcow2")
    throw Failure(ANYVISOR_UNSUPPORTED,
                  "the Cloud Hypervisor backend does not run from disks of format '" + link.format + "'")
        .field(field + "/format")
        .hint("convert it: qemu-img convert -O qcow2");
  return link;
}

void parse_disks(const json::Value& document, const char* name, std::vector<Disk>& disks) {
  const auto* array = json::array_or_null(document, name);
  if (!array) return;
  for (rapidjson::SizeType i = 0; i < array->Size(); ++i)
    disks.push_back(parse_disk((*array)[i], std::string("/") + name + "/" + std::to_string(i)));
}

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

// Parts of the contract that this backend does not have yet.
void refuse_unsupported(const json::Value& document) {
  auto refuse_filled = [&](const char* name, const char* what) {
    const auto* array = json::array_or_null(document, name);
    if (array && !array->Empty())
      throw Failure(ANYVISOR_UNSUPPORTED, std::string(what) + later).field(std::string("/") + name);
  };
  refuse_filled("mounts", "mounts of host folders");
  refuse_filled("devices", "passed-through devices");
  if (const auto* limits = json::object_or_null(document, "limits"))
    for (const auto& member : limits->GetObject())
      if (member.value.IsUint64() && member.value.GetUint64() > 0)
        throw Failure(ANYVISOR_UNSUPPORTED, std::string("rate limits") + later)
            .field(std::string("/limits/") + member.name.GetString());
}

void require_file(const std::string& path, const std::string& what, const std::string& field) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return;
  throw Failure(ANYVISOR_NOT_FOUND, "the " + what + " cannot be read: " + path).field(field);
}

}  // namespace

json::Document parse_object(std::string_view text, const char* what) {
  json::Document document;
  document.Parse(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, std::string(what) + " is no JSON object");
  return document;
}

Disk parse_disk(const json::Value& value, const std::string& field) {
  Disk disk;
  disk.id = json::string_or(value, "id");
  disk.field = field;
  disk.read_only = json::bool_or(value, "read_only", false);
  disk.shared = json::bool_or(value, "shared", false);
  if (disk.id.empty()) throw invalid("a disk has no id", field + "/id");
  if (json::find(value, "remote"))
    throw Failure(ANYVISOR_UNSUPPORTED, "Cloud Hypervisor's disks are local files").field(field + "/remote");
  if (json::find(value, "overlay"))
    throw Failure(ANYVISOR_UNSUPPORTED, std::string("overlays of volumes") + later).field(field + "/overlay");
  if (const auto* chain = json::array_or_null(value, "chain")) {
    for (rapidjson::SizeType i = 0; i < chain->Size(); ++i)
      disk.chain.push_back(parse_link((*chain)[i], field + "/chain/" + std::to_string(i)));
  } else {
    disk.chain.push_back(parse_link(value, field));
  }
  if (disk.chain.empty()) throw invalid("the chain of disk '" + disk.id + "' is empty", field + "/chain");
  for (std::size_t i = 0; i + 1 < disk.chain.size(); ++i)
    if (disk.chain[i].format == "raw")
      throw invalid("a raw disk has no backing file: " + disk.chain[i].path,
                    field + "/chain/" + std::to_string(i) + "/format");
  return disk;
}

MachineDocument parse_machine(std::string_view text) {
  json::Document document = parse_object(text, "the machine document");
  refuse_unsupported(document);
  MachineDocument machine;
  machine.id = json::string_or(document, "id");
  machine.name = json::string_or(document, "name");
  machine.folder = json::string_or(document, "folder");
  if (machine.folder.empty() || machine.folder.front() != '/')
    throw invalid("the machine's folder must be an absolute path", "/folder");
  machine.cpus = static_cast<unsigned>(json::uint_or(document, "cpus", 0));
  if (machine.cpus == 0) throw invalid("a machine has at least one CPU", "/cpus");
  machine.max_cpus = std::max(machine.cpus, static_cast<unsigned>(json::uint_or(document, "max_cpus", 0)));
  const auto* memory = json::object_or_null(document, "memory");
  machine.memory = memory ? json::uint_or(*memory, "size", 0) : 0;
  constexpr std::uint64_t mebibyte = 1024 * 1024;
  if (machine.memory == 0 || machine.memory % mebibyte != 0)
    throw invalid("memory must be a multiple of 1 MiB", "/memory/size");
  machine.hotplug_memory = json::uint_or(*memory, "hotplug_size", 0);
  if (machine.hotplug_memory % mebibyte != 0)
    throw invalid("memory must be a multiple of 1 MiB", "/memory/hotplug_size");
  if (json::string_or(*memory, "backing", "memfd") == "file")
    throw Failure(ANYVISOR_UNSUPPORTED,
                  "memory backed by a file comes in a later version of the Cloud Hypervisor backend")
        .field("/memory/backing");
  machine.boot = parse_boot(document);
  parse_disks(document, "disks", machine.disks);
  parse_disks(document, "volumes", machine.disks);
  if (const auto* config = json::object_or_null(document, "config_disk")) {
    Disk disk;
    disk.id = "config";
    disk.read_only = true;
    disk.field = "/config_disk";
    disk.chain.push_back({json::string_or(*config, "path"), json::string_or(*config, "format", "raw")});
    machine.disks.push_back(std::move(disk));
  }
  if (const auto* vsock = json::object_or_null(document, "vsock")) {
    constexpr std::uint64_t first_cid = 3, last_cid = 4294967294;
    const auto cid = json::uint_or(*vsock, "cid", 0);
    if (cid < first_cid || cid > last_cid) throw invalid("no guest can have this vsock context id", "/vsock/cid");
    machine.vsock_cid = static_cast<std::uint32_t>(cid);
  }
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
      throw Failure(ANYVISOR_UNSUPPORTED, std::string("rate limits") + later).field(field + "/limits");
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

void require_disk_files(const Disk& disk) {
  for (const auto& link : disk.chain) require_file(link.path, "file of disk '" + disk.id + "'", disk.field);
}

}  // namespace anyvisor::cloud_hypervisor
