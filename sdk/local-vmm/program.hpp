// SPDX-License-Identifier: MIT
// A VMM's program on this host.
#pragma once

#include <optional>
#include <string>

namespace anyvisor::sdk {

struct Binary {
  std::string path;      // absolute
  std::string identity;  // changes when the file does: a cache key; no process is needed for it
};

// `name`: an absolute path, or a name on PATH. Nothing where there is no such program. [any thread]
std::optional<Binary> look_up_program(const std::string& name);

}  // namespace anyvisor::sdk
