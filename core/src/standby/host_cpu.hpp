// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace anyvisor {

// This host's processor as far as a guest that is not emulated could see it change: vendor, model, stepping and what it
// can do, the last as a digest. Empty: not known. [any thread]
std::string describe_host_cpu();

}  // namespace anyvisor
