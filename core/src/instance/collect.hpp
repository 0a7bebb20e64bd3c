// SPDX-License-Identifier: MIT
// Removal of what nothing refers to: abandoned staging folders and unreferenced disks.
#pragma once

#include <chrono>
#include <vector>

#include "image/image_catalog.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

// Waits up to `patience` for operations that add references, then does nothing when they go on: the next command comes
// here again. Removes nothing as long as a document of an instance or image cannot be read: it might refer to any disk.
Result<void> collect(const Workspace& workspace, std::chrono::milliseconds patience);

// What collect() would remove if the images `without_images` were not there, these first; changes nothing. Errors:
// busy, and where a document cannot be read.
Result<std::vector<Leftover>> leftovers(const Workspace& workspace, const std::vector<ImageRecord>& without_images,
                                        std::chrono::milliseconds patience);

// collect() without waiting, when something is in staging: each operation that could leave an unreferenced disk leaves
// a staging folder too.
Result<void> collect_leftovers(const Workspace& workspace);

}  // namespace anyvisor
