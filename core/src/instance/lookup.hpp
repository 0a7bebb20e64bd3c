// SPDX-License-Identifier: MIT
// Which one does a person mean? The same rule for instances and images.
#pragma once

#include <string>
#include <vector>

#include "anyvisor/result.hpp"

namespace anyvisor {

struct Label {
  std::string id, name;
};

// The index of the one meant by `wanted`: exact id, exact name, or a prefix of the id or of the short id (at least 3
// characters). Errors: not_found; ambiguous, listing the matches. `kind`: "instance", "image"; `hint` for not_found.
Result<std::size_t> look_up(const std::string& wanted, const std::vector<Label>& labels, const std::string& kind,
                            const std::string& hint);

}  // namespace anyvisor
