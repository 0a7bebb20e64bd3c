// SPDX-License-Identifier: MIT
// What qemu-img does with whole disks. Content is moved here, so each of these takes as long as there is content; it
// ends with the process that asked. Formats are always given: nothing is guessed from what a guest may have written.
// Errors of all: unavailable (no qemu-img), exhausted (no space), cancelled, backend_failed (what qemu-img said).
#pragma once

#include <cstdint>
#include <string>

#include "anyvisor/operation.hpp"
#include "anyvisor/result.hpp"

namespace anyvisor {

struct DiskFile {
  std::string path, format;  // "qcow2" or "raw"
};

// Bytes that a file of its own with all that is seen through `disk` may take: clusters of zeroes that a guest has
// written count, although a copy leaves them out.
Result<std::uint64_t> measure_content(const DiskFile& disk, Operation& operation);

// Is there room for `needed` bytes more in `folder`? Errors: exhausted, with both figures ("cannot `what`: ...").
Result<void> check_space(const std::string& folder, std::uint64_t needed, const std::string& what);

// Makes `to` with all that is seen through `from`; it stands on nothing. Not flushed. `total`: bytes, for the progress.
Result<void> copy_content(const DiskFile& from, const DiskFile& to, std::uint64_t total, Operation& operation);

// The qcow2 overlay `overlay` stands on `below` afterwards, one of the disks that it stood on (in the same folder), and
// has of its own what it needs of those between. What is seen through it stays the same. Not flushed.
Result<void> move_overlay(const std::string& overlay, const DiskFile& below, std::uint64_t total, Operation& operation);

// What the qcow2 overlay has of its own goes into the disk `below`: the one that it stands on, or a twin of that, in
// the same folder. The overlay itself goes. Not flushed.
Result<void> merge_into(const std::string& overlay, const DiskFile& below, Operation& operation);

// A disk nobody uses gets `size` bytes, more than it had.
Result<void> grow_disk(const DiskFile& disk, std::uint64_t size, Operation& operation);

}  // namespace anyvisor
