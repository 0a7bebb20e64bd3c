// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace anyvisor {

// The version in the header of a Linux bzImage, "6.1.0-49-cloud-amd64"; empty when `path` is no bzImage or cannot be
// read.
std::string kernel_version(const std::string& path);

}  // namespace anyvisor
