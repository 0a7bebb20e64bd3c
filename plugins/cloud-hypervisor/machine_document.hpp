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

namespace anyvisor::cloud_hypervisor {

using sdk::ChainLink;
using sdk::Disk;
using sdk::parse_object;
using sdk::require_disk_files;

enum class BootMethod { kernel, firmware };

struct Boot {
  BootMethod method = BootMethod::kernel;
  std::string kernel, initrd, command_line;
};

struct MachineDocument {
  std::string id, name, folder;
  unsigned cpus = 1, max_cpus = 1;
  std::uint64_t memory = 0, hotplug_memory = 0;  // bytes: at boot, and what may be added
  Boot boot;
  std::vector<Disk> disks;  // disks, then volumes, then the config disk
  sdk::Vsock vsock;         // always there where it is asked for
  std::string smbios_uuid;
  std::string hardware;  // what create() wrote last time, JSON; or empty
};

// One network card. There is none where the endpoint's mode is "none".
struct Nic {
  std::string id, mac, tap;  // tap: a device's name
};

// Throw sdk::Failure with a field pointer. [any thread]
MachineDocument parse_machine(std::string_view text);
// Of a create or restore request. User-mode networking is refused: Cloud Hypervisor has none.
std::vector<Nic> parse_endpoints(const json::Value& request);
// Its kernel and disks are there and can be read, and the kernel is one: Cloud Hypervisor itself looks at it only when
// the guest boots.
void require_files(const MachineDocument& machine);

}  // namespace anyvisor::cloud_hypervisor
