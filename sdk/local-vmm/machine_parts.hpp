// SPDX-License-Identifier: MIT
// Parts of the machine document (machine.schema.json) as plain structs, for backends that run from local files. What
// such a backend cannot do is refused here, with the field, before anything is touched.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anyvisor::sdk {

struct ChainLink {
  std::string path;
  std::string format;  // raw or qcow2
};

struct Disk {
  std::string id;
  bool read_only = false;
  bool shared = false;           // other machines may have it open for writing too
  std::vector<ChainLink> chain;  // the disk's own file first, then its backing files; never empty
  std::string field;             // where it stands in the document, for error messages
};

struct Vsock {
  std::uint32_t cid = 0;  // 0: no vsock device
  bool optional = false;  // without one where this host has none to give
};

// All throw Failure with a field pointer; `vmm` is its name, for messages. [any thread]
Failure invalid(const std::string& message, const std::string& field);
json::Document parse_object(std::string_view text, const char* what);
// One disk or volume, which stands at `field` of its document.
Disk parse_disk(const json::Value& value, const std::string& field, const std::string& vmm);
// Disks, then volumes, then the config disk.
std::vector<Disk> parse_all_disks(const json::Value& machine, const std::string& vmm);
Vsock parse_vsock(const json::Value& machine);
// A whole number of MiB; `machine` has a member "memory".
std::uint64_t parse_memory_size(const json::Value& machine);
// What no local backend here has yet: mounts, passed-through devices, rate limits.
void refuse_what_comes_later(const json::Value& machine, const std::string& vmm);
// Nothing for an empty path. Failure NOT_FOUND.
void require_file(const std::string& path, const std::string& what, const std::string& field);
// Each file of its chain.
void require_disk_files(const Disk& disk);

}  // namespace anyvisor::sdk
