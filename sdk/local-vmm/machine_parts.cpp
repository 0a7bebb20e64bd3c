// SPDX-License-Identifier: MIT
#include "local-vmm/machine_parts.hpp"

#include <unistd.h>

namespace anyvisor::sdk {
namespace {

std::string later(const std::string& vmm) {
  return " come in a later version of the " + vmm + " backend";
}

ChainLink parse_link(const json::Value& value, const std::string& field, const std::string& vmm) {
  ChainLink link{json::string_or(value, "path"), json::string_or(value, "format")};
  if (link.path.empty() || link.path.front() != '/')
    throw invalid("a disk's path must be absolute: '" + link.path + "'", field + "/path");
  if (link.format != "raw" && link.format != "qcow2")
    throw Failure(ANYVISOR_UNSUPPORTED,
                  "the " + vmm + " backend does not run from disks of format '" + link.format + "'")
        .field(field + "/format")
        .hint("convert it: qemu-img convert -O qcow2");
  return link;
}

}  // namespace

Failure invalid(const std::string& message, const std::string& field) {
  return Failure(ANYVISOR_INVALID_ARGUMENT, message).field(field);
}

json::Document parse_object(std::string_view text, const char* what) {
  json::Document document;
  document.Parse(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, std::string(what) + " is no JSON object");
  return document;
}

Disk parse_disk(const json::Value& value, const std::string& field, const std::string& vmm) {
  Disk disk;
  disk.id = json::string_or(value, "id");
  disk.field = field;
  disk.read_only = json::bool_or(value, "read_only", false);
  disk.shared = json::bool_or(value, "shared", false);
  if (disk.id.empty()) throw invalid("a disk has no id", field + "/id");
  if (json::find(value, "remote"))
    throw Failure(ANYVISOR_UNSUPPORTED, vmm + "'s disks are local files").field(field + "/remote");
  if (json::find(value, "overlay"))
    throw Failure(ANYVISOR_UNSUPPORTED, "overlays of volumes" + later(vmm)).field(field + "/overlay");
  if (const auto* chain = json::array_or_null(value, "chain")) {
    for (rapidjson::SizeType i = 0; i < chain->Size(); ++i)
      disk.chain.push_back(parse_link((*chain)[i], field + "/chain/" + std::to_string(i), vmm));
  } else {
    disk.chain.push_back(parse_link(value, field, vmm));
  }
  if (disk.chain.empty()) throw invalid("the chain of disk '" + disk.id + "' is empty", field + "/chain");
  for (std::size_t i = 0; i + 1 < disk.chain.size(); ++i)
    if (disk.chain[i].format == "raw")
      throw invalid("a raw disk has no backing file: " + disk.chain[i].path,
                    field + "/chain/" + std::to_string(i) + "/format");
  return disk;
}

std::vector<Disk> parse_all_disks(const json::Value& machine, const std::string& vmm) {
  std::vector<Disk> disks;
  for (const char* name : {"disks", "volumes"}) {
    const auto* array = json::array_or_null(machine, name);
    for (rapidjson::SizeType i = 0; array && i < array->Size(); ++i)
      disks.push_back(parse_disk((*array)[i], std::string("/") + name + "/" + std::to_string(i), vmm));
  }
  if (const auto* config = json::object_or_null(machine, "config_disk")) {
    Disk disk;
    disk.id = "config";
    disk.read_only = true;
    disk.field = "/config_disk";
    disk.chain.push_back({json::string_or(*config, "path"), json::string_or(*config, "format", "raw")});
    disks.push_back(std::move(disk));
  }
  return disks;
}

Vsock parse_vsock(const json::Value& machine) {
  const auto* value = json::object_or_null(machine, "vsock");
  if (!value) return {};
  constexpr std::uint64_t first_cid = 3, last_cid = 4294967294;
  const auto cid = json::uint_or(*value, "cid", 0);
  if (cid < first_cid || cid > last_cid) throw invalid("no guest can have this vsock context id", "/vsock/cid");
  return {static_cast<std::uint32_t>(cid), json::bool_or(*value, "optional", false)};
}

std::uint64_t parse_memory_size(const json::Value& machine) {
  constexpr std::uint64_t mebibyte = 1024 * 1024;
  const auto* memory = json::object_or_null(machine, "memory");
  const std::uint64_t size = memory ? json::uint_or(*memory, "size", 0) : 0;
  if (size == 0 || size % mebibyte != 0) throw invalid("memory must be a multiple of 1 MiB", "/memory/size");
  return size;
}

void refuse_what_comes_later(const json::Value& machine, const std::string& vmm) {
  auto refuse_filled = [&](const char* name, const char* what) {
    const auto* array = json::array_or_null(machine, name);
    if (array && !array->Empty()) throw Failure(ANYVISOR_UNSUPPORTED, what + later(vmm)).field(std::string("/") + name);
  };
  refuse_filled("mounts", "mounts of host folders");
  refuse_filled("devices", "passed-through devices");
  if (const auto* limits = json::object_or_null(machine, "limits"))
    for (const auto& member : limits->GetObject())
      if (member.value.IsUint64() && member.value.GetUint64() > 0)
        throw Failure(ANYVISOR_UNSUPPORTED, "rate limits" + later(vmm))
            .field(std::string("/limits/") + member.name.GetString());
}

void require_file(const std::string& path, const std::string& what, const std::string& field) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return;
  throw Failure(ANYVISOR_NOT_FOUND, "the " + what + " cannot be read: " + path).field(field);
}

void require_disk_files(const Disk& disk) {
  for (const auto& link : disk.chain) require_file(link.path, "file of disk '" + disk.id + "'", disk.field);
}

}  // namespace anyvisor::sdk
