// SPDX-License-Identifier: MIT
// Deleted, and not yet gone.
#pragma once

#include "instance/locked_instance.hpp"

namespace anyvisor {

// Its VMM and its saved memory have gone: from here on the instance is deleted. It is already: no error.
Result<void> mark_deleted(LockedInstance& locked);

}  // namespace anyvisor
