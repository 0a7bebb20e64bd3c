// SPDX-License-Identifier: MIT
// What a guest can see of its machine, in normalised form.
#pragma once

#include <anyvisor/json.hpp>
#include <vector>

#include "machine_document.hpp"
#include "version.hpp"

namespace anyvisor::cloud_hypervisor {

// [any thread]
json::Document describe_hardware(const MachineDocument& machine, const std::vector<Nic>& nics, Version version);

// The machine has the hardware that its memory was saved with. Failure INVALID_STATE that names what differs.
void require_same_hardware(const MachineDocument& machine, const std::vector<Nic>& nics, Version version);

}  // namespace anyvisor::cloud_hypervisor
