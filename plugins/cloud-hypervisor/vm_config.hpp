// SPDX-License-Identifier: MIT
// The VmConfig of Cloud Hypervisor's API for a machine: of a new one, and of one that is restored.
#pragma once

#include <anyvisor/json.hpp>
#include <string>
#include <vector>

#include "machine_document.hpp"
#include "version.hpp"

namespace anyvisor::cloud_hypervisor {

struct ConfigFacts {
  Abilities can;
  bool landlock = false;
  std::string firmware;      // a path, for boot method firmware
  std::string vsock_socket;  // a path as the VMM sees it, for a machine with a vsock device
};

// [any thread]
json::Document make_vm_config(const MachineDocument& machine, const std::vector<Nic>& nics, const ConfigFacts& facts);

// The DiskConfig of one disk, also for one that is plugged into a running machine. [any thread]
json::Document make_disk_config(const Disk& disk, const Abilities& can);

// The config that a save has written, with the paths, taps and rules that the machine has now. Failure CORRUPTED when
// it has other disks or NICs than the machine. [any thread]
json::Document make_restored_config(const json::Value& saved, const MachineDocument& machine,
                                    const std::vector<Nic>& nics, const ConfigFacts& facts);

}  // namespace anyvisor::cloud_hypervisor
