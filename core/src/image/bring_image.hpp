// SPDX-License-Identifier: MIT
// Images on demand.
#pragma once

#include "image/image_catalog.hpp"
#include "instance/operations.hpp"

namespace anyvisor {

// The image of that name, id or prefix; else what an image store knows under that reference ("debian:bookworm"),
// brought now and kept under it. An image of the same content that is there under another name serves as well. Many
// callers may ask for one image at once, in this process or in others: it is brought once. Errors: not_found (nobody
// knows it), ambiguous, cancelled, and those of the store.
Result<ImageRecord> bring_image(const Workspace& workspace, const std::string& reference, PhaseClock& clock);

}  // namespace anyvisor
