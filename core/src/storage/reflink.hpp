// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "anyvisor/result.hpp"

namespace anyvisor {

// Makes `to` (mode 0600) with the content of `from`, sharing its blocks until one of them is written to: in no time and
// space, where the file system can (btrfs, xfs). Not flushed. On failure no file is left. Errors: unsupported (it
// cannot, with the reason), already_exists, as fail_errno.
Result<void> reflink_file(const std::string& from, const std::string& to);

}  // namespace anyvisor
