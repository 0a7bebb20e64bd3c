// SPDX-License-Identifier: MIT
// vsock on this host: QEMU has no such device of its own, the kernel's vhost_vsock serves it.
#pragma once

#include <string>

#include "instance_folder.hpp"

namespace anyvisor::qemu {

// Why this process cannot give a machine a vsock device; empty: it can. [any thread]
std::string why_no_vsock();

// /dev/vhost-vsock, for one machine. Failure UNSUPPORTED, field /vsock, with that reason.
Descriptor open_vsock();

}  // namespace anyvisor::qemu
