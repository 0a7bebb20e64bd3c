// SPDX-License-Identifier: MIT
// The guest-visible hardware in normalised form: what a guest could see change between two starts, and nothing of how
// this host provides it (no paths, ports or descriptors).
#pragma once

#include <string>
#include <vector>

#include "machine_document.hpp"

namespace anyvisor::qemu {

struct HardwareFacts {
  std::string machine_type;  // versioned, as QEMU itself names it: pc-q35-7.2
  std::string accelerator;   // kvm or tcg
  std::string cpu_model;
  std::string version;  // of QEMU
  bool vsock = false;   // it has the vsock device that the document asks for
};

// Whether hardware that was described once has a vsock device.
bool has_vsock(const std::string& hardware);

json::Document describe_hardware(const MachineDocument& machine, const std::vector<Endpoint>& endpoints,
                                 const HardwareFacts& facts);

}  // namespace anyvisor::qemu
