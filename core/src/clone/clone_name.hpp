// SPDX-License-Identifier: MIT
// What clones are called.
#pragma once

#include <string>

#include "instance/publish.hpp"

namespace anyvisor {

// "web" > "web-clone1": the lowest number that is free. The name is cut where it would become too long.
std::string clone_name(const std::string& source, const IsTaken& is_taken);

// The name asked for, for an early answer as check_name_is_free(). The source's own is the one name for which nobody is
// to make room. Errors: already_exists (field /name).
Result<void> check_clone_name(const Workspace& workspace, const CloneRequest& request);

}  // namespace anyvisor
