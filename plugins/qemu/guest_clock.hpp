// SPDX-License-Identifier: MIT
// A guest that went on after a standby still has the time at which it stood still.
#pragma once

#include <anyvisor/plugin.hpp>
#include <string>

#include "instance_folder.hpp"

namespace anyvisor::qemu {

// Has the guest agent behind `socket` (connected to its channel) set the guest's clock to this host's. Returns why that
// was not possible; empty: done. Throws CANCELLED.
std::string set_clock_by_agent(const sdk::Context& context, Descriptor socket);

}  // namespace anyvisor::qemu
