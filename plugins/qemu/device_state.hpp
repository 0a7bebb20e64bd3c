// SPDX-License-Identifier: MIT
// The state of CPUs and devices, without the guest's RAM: QEMU's migration to and from a file, with x-ignore-shared.
#pragma once

#include <anyvisor/plugin.hpp>

#include "qmp_client.hpp"

namespace anyvisor::qemu {

// Writes it to `file`, from its current position. The guest stands still; afterwards it may go on ("cont"), also after
// a failure. Throws BACKEND_FAILED, TIMEOUT, CANCELLED.
void save_device_state(const sdk::Context& context, QmpClient& client, int file);
// Loads it from `file` into a QEMU that was started with -incoming defer. QEMU believes much of what it reads: who
// calls has checked the file's digest. Throws as above; then this QEMU is good for nothing but its end.
void load_device_state(const sdk::Context& context, QmpClient& client, int file);

}  // namespace anyvisor::qemu
