// SPDX-License-Identifier: MIT
#pragma once

#include "process/spawn.hpp"

namespace anyvisor {

// spawn() without a durable step of its own: for spawn() and run(), which have different ones. Errors as spawn().
Result<Child> start_child(const Command& command);

}  // namespace anyvisor
