// SPDX-License-Identifier: MIT
// The documents that cross to this backend, as plain structs: machine.schema.json and endpoint.schema.json. What the
// backend cannot do is refused here, with the field, before anything is touched.
#pragma once

#include <anyvisor/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "local-vmm/machine_parts.hpp"

namespace anyvisor::qemu {

using sdk::ChainLink;
using sdk::Disk;
using sdk::parse_object;

enum class BootMethod { kernel, bios, uefi };

struct Boot {
  BootMethod method = BootMethod::kernel;
  std::string kernel, initrd, command_line;
  std::string variables;  // uefi
};

struct MachineDocument {
  std::string id, name, folder;
  unsigned cpus = 1;
  std::uint64_t memory = 0;  // bytes
  bool memory_in_file = false;
  Boot boot;
  std::vector<Disk> disks;  // disks, then volumes, then the config disk
  sdk::Vsock vsock;
  std::string smbios_uuid, vmgenid;
  std::string hardware_machine_type;  // what create() wrote last time, or empty
  std::string hardware;               // the whole of it, JSON
};

struct PublishedPort {
  std::string protocol, host_address;
  unsigned host_port = 0, guest_port = 0;
};

enum class EndpointMode { user, tap, none };

struct Endpoint {
  std::string id, mac;
  EndpointMode mode = EndpointMode::none;
  bool restricted = false;
  std::vector<PublishedPort> publish;
  std::string tap_name;
  int tap_fd = -1;  // a descriptor in this process; not owned
};

// Throw sdk::Failure with a field pointer. [any thread]
MachineDocument parse_machine(std::string_view text);
std::vector<Endpoint> parse_endpoints(const json::Value& create_request);
// Its kernel and disks are there and can be read.
void require_files(const MachineDocument& machine);

}  // namespace anyvisor::qemu
