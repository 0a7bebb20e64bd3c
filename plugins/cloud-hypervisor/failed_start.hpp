// SPDX-License-Identifier: MIT
// Cloud Hypervisor ended while it started: what its words mean.
#pragma once

#include "local-vmm/vmm_log.hpp"

namespace anyvisor::cloud_hypervisor {

using sdk::vmm_log_since;
using sdk::vmm_log_size;

// The failure for what it said, with the status and the hint that fit.
sdk::Failure explain_failed_start(const std::string& said);

}  // namespace anyvisor::cloud_hypervisor
