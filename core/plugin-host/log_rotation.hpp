// SPDX-License-Identifier: MIT
// Rotation of a log that somebody else appends to and keeps open.
#pragma once

#include <cstdint>
#include <string>

#include "anyvisor/result.hpp"

namespace anyvisor::host {

// 10 MiB, or $ANYVISOR_LOG_LIMIT bytes.
std::uint64_t log_limit();

// When `path` is larger than `limit`: its block-aligned front becomes `path`.1 (replacing that) and is cut off the live
// file by FALLOC_FL_COLLAPSE_RANGE, which moves what a writer appends meanwhile along: no byte is lost and there is no
// hole. The writer has to have it open for append. Where the file system cannot do that: nothing, unless
// `writer_is_gone`; then the whole file is renamed.
Result<void> rotate_log(const std::string& path, std::uint64_t limit, bool writer_is_gone);

}  // namespace anyvisor::host
