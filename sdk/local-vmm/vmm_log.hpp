// SPDX-License-Identifier: MIT
// What a VMM said on its standard error before it ended, made readable.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "local-vmm/instance_folder.hpp"

namespace anyvisor::sdk {

// Length of logs/vmm.log now, 0 when there is none: taken before a start, so that only what is new is read after it.
std::uint64_t vmm_log_size(const InstanceFolder& folder);

// The last lines that the log got since `from`, at most 2 KiB; empty when there is nothing.
std::string vmm_log_since(const InstanceFolder& folder, std::uint64_t from);

// Words by which a VMM tells why it does not start, and what they mean here.
struct KnownSaying {
  const char* text;
  anyvisor_status status;
  const char* hint;
  bool retry;
};

// `vmm` ("QEMU") ended while it started: the failure for what it said, by the first of `known` whose text stands in it.
Failure explain_failed_start(const std::string& vmm, const std::string& said, std::span<const KnownSaying> known);

}  // namespace anyvisor::sdk
