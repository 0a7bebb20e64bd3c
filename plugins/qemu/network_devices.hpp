// SPDX-License-Identifier: MIT
// QEMU's network options for endpoints.
#pragma once

#include <cstddef>
#include <string>

#include "machine_document.hpp"

namespace anyvisor::qemu {

// The value of -netdev, or empty for mode none. `tap_fd`: the tap's number in QEMU, where there is one.
std::string netdev_option(const Endpoint& endpoint, int tap_fd);
// The value of -device for the NIC.
std::string nic_device(const Endpoint& endpoint, std::size_t index);

// Text as a value in QEMU's key=value options: a comma is doubled.
std::string option_value(const std::string& text);

}  // namespace anyvisor::qemu
