// SPDX-License-Identifier: MIT
// What a disk image is, and whether it may be imported. An image comes from strangers: nothing here makes qemu-img open
// another file that the image names.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <string>

#include "source_file.hpp"

namespace local_images {

struct DiskFacts {
  std::string format;              // "raw" or "qcow2"
  std::uint64_t virtual_size = 0;  // bytes, as the guest sees it
};

// `format`: as the person says, or empty: as it is. Throws Failure: unsupported (another format, a backing file, an
// external data file, encryption), corrupted (truncated, damaged), exhausted (beyond `max_virtual_size`), unavailable
// (no qemu-img), busy.
DiskFacts inspect_disk(const anyvisor::sdk::Host& host, const anyvisor::sdk::Context& context, const SourceFile& disk,
                       const std::string& format, std::uint64_t max_virtual_size);

}  // namespace local_images
