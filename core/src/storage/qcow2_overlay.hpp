// SPDX-License-Identifier: MIT
// An empty qcow2 overlay, written here and not by qemu-img: the same file without a process, in a fraction of a
// millisecond whatever the disk's size. The layout is that of QEMU's docs/interop/qcow2.txt, version 3.
#pragma once

#include <cstdint>
#include <string>

#include "anyvisor/result.hpp"

namespace anyvisor {

struct OverlaySpec {
  std::string backing_file;        // bare name of the file below, in the same folder
  std::string backing_format;      // "qcow2" or "raw"
  std::uint64_t virtual_size = 0;  // bytes; rounded up to whole sectors of 512
};

// Creates `path` (mode 0600) and flushes it; its folder is the caller's to flush. On failure no file is left. [any
// thread] Errors: already_exists; exhausted (no space); invalid_argument (a name or a size that the format has no room
// for); as fail_errno.
Result<void> write_empty_overlay(const std::string& path, const OverlaySpec& spec);

}  // namespace anyvisor
