// SPDX-License-Identifier: MIT
// Cloud Hypervisor opens what a qcow2 file's header names as its backing file. So that this is what the machine
// document says, and nothing else of the host's, the headers are read before it starts.
#pragma once

#include <optional>
#include <string>

#include "machine_document.hpp"
#include "version.hpp"

namespace anyvisor::cloud_hypervisor {

inline constexpr std::size_t deepest_chain = 10;  // backing files below a disk: Cloud Hypervisor's own limit

// Failure UNSUPPORTED where this version cannot run from the disk (with the version that can), INVALID_ARGUMENT where
// the headers say another thing than the document; with the disk's field. [any thread]
void require_chain(const Disk& disk, Version version);

// What a qcow2 file names as its backing file, nothing when it names none. Failure CORRUPTED, also for a file that
// keeps its data elsewhere.
std::optional<std::string> backing_name(const std::string& path);

}  // namespace anyvisor::cloud_hypervisor
