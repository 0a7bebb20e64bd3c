// SPDX-License-Identifier: MIT
// instance.json: what an instance is. Bare names only, so that the home folder can move. What changes from run to run
// (pid, times, ports) stands in the process record instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "anyvisor/manager.hpp"
#include "document/json.hpp"

namespace anyvisor {

struct NetworkRecord {
  std::string id, plugin, mac;  // id: "net0", "net1", ...
  bool restricted = false;
  std::vector<PublishedPort> publish;
};

struct InstanceRecord {
  std::string id, name, created;
  std::string deleted;  // when; it can be recovered. Empty: it is in use
  std::string image, image_id;
  std::string backend;
  unsigned cpus = 1;
  std::uint64_t memory = 0;  // bytes
  std::string disk;          // id of the top disk; empty: none
  std::string boot_method;   // "kernel" or "firmware"
  std::string firmware;      // "bios" or "uefi" when booted by firmware
  bool has_initrd = false;   // files `kernel` and `initrd` in the instance's folder
  std::string command_line;  // {hostname} in it stands for the instance's name
  std::vector<NetworkRecord> networks;
  std::string user;  // who anyvisor logs in as over ssh; empty: there is no such way into this guest
  // vsock context id of its guest, which no other instance of this home has; 0: it is given no vsock device.
  std::uint32_t vsock_cid = 0;
  bool ssh_over_vsock = false;  // its image says that an ssh server listens there
  bool has_seed = false;        // file `seed.iso` in the instance's folder: cloud-init's NoCloud data
  std::string smbios_uuid, vmgenid;
  // Of a clone: the name of its source, how its disk came to be ("overlay", "reflink", "copy"), how it got an identity
  // of its own
  // ("slots", "rewrite", "seed", "none").
  std::string cloned_from, clone_strategy, clone_identity;
  // What the source's disk was caught in (frozen_top.hpp), and why only in that.
  std::string clone_consistency, clone_consistency_reason;
  std::string clone_base;       // the frozen disk of its source; a fact of then: it may be gone
  std::string hardware = "{}";  // JSON, as the backend said at the first create: the guest keeps the same hardware
  // Of the last standby and the last restore: when (RFC 3339, UTC), how long, and which save was used up.
  std::string saved, restored, restored_save;
  std::chrono::microseconds saved_took{0}, restored_took{0};
  std::string last_operation;
  std::vector<Phase> last_phases;
};

inline constexpr int instance_schema = 1;

std::string render(const InstanceRecord& record);
// Errors: corrupted; unsupported for a newer schema.
Result<InstanceRecord> parse_instance(std::string_view text, std::string_view what);
// `folder`/instance.json. Errors: not_found, corrupted, unsupported.
Result<InstanceRecord> read_instance(const std::string& folder);
Result<void> write_instance(const std::string& folder, const InstanceRecord& record, const char* step);

// Published ports as JSON and back, the same in instance.json and in endpoint documents.
json::Value to_json(const std::vector<PublishedPort>& ports, json::Document& document);
std::vector<PublishedPort> ports_from_json(const json::Value& endpoint);
// What the process record says of the endpoints as they are now.
std::vector<EndpointInfo> endpoints_from_json(const json::Value& array);
// Of the vsock device among a machine's hardware (JSON), as the process record has it; 0: there is none.
std::uint32_t vsock_cid_of(const std::string& hardware);

}  // namespace anyvisor
