// SPDX-License-Identifier: MIT
// A word with the QEMU guest agent (qemu-guest-agent in the guest), over the socket of its virtio channel.
#pragma once

#include <anyvisor/plugin.hpp>

#include "instance_folder.hpp"
#include "qmp_client.hpp"

namespace anyvisor::qemu {

// Whether something in the guest has the channel open: as QEMU knows it, without a word to the guest. Failures as
// QmpClient's.
bool agent_listens(const sdk::Context& context, QmpClient& client);

// Asks the agent to power the guest off. `socket`: connected to the channel, which has one client at a time. Returns
// once it was asked and has not said no within a second. Failures: NOT_READY (nobody answers within two seconds),
// BACKEND_FAILED (it says no), CANCELLED.
void shut_down_by_agent(const sdk::Context& context, Descriptor socket);

}  // namespace anyvisor::qemu
