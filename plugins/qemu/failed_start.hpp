// SPDX-License-Identifier: MIT
// QEMU ended while it started: what its words mean.
#pragma once

#include "local-vmm/vmm_log.hpp"

namespace anyvisor::qemu {

using sdk::vmm_log_since;
using sdk::vmm_log_size;

// The failure for what it said, with the status and the hint that fit.
sdk::Failure explain_failed_start(const std::string& said);

}  // namespace anyvisor::qemu
