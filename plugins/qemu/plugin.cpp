// SPDX-License-Identifier: MIT
// The entry of anyvisor-qemu.so.
#include <anyvisor/plugin.hpp>

#include "backend.hpp"
#include "settings.hpp"

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"qemu", "0.1.0", "Runs machines with QEMU, under KVM or TCG", "MIT",
                                            anyvisor::qemu::settings_schema}),
                anyvisor::sdk::backend<anyvisor::qemu::QemuBackend>())
