// SPDX-License-Identifier: MIT
// What Cloud Hypervisor said on its standard error before it ended, made readable.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <string>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {

// Length of logs/vmm.log now, 0 when there is none: taken before a start, so that only what is new is read after it.
std::uint64_t vmm_log_size(const InstanceFolder& folder);

// The last lines that the log got since `from`, at most 2 KiB; empty when there is nothing.
std::string vmm_log_since(const InstanceFolder& folder, std::uint64_t from);

// Cloud Hypervisor ended while it started: the failure for what it said, with the status and the hint that fit.
sdk::Failure explain_failed_start(const std::string& said);

}  // namespace anyvisor::cloud_hypervisor
