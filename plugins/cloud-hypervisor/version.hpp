// SPDX-License-Identifier: MIT
// Which Cloud Hypervisor there is, and what that version can.
#pragma once

#include <anyvisor/plugin.hpp>
#include <string>

#include "local-vmm/program.hpp"

namespace anyvisor::cloud_hypervisor {

using sdk::Binary;

struct Version {
  unsigned major = 0, minor = 0;
  auto operator<=>(const Version&) const = default;
};

inline constexpr Version oldest_version{40, 0};
inline constexpr Version newest_tried_version{53, 0};

// What a version can that another cannot.
struct Abilities {
  bool landlock = false;                // v41
  bool named_image_types = false;       // v51: a disk's format is told, not guessed
  bool backing_files_option = false;    // v51: backing files are opened only when asked for
  bool stays_after_power_off = false;   // v52: --no-shutdown
  bool on_demand_restore = false;       // v52
  bool relative_backing_names = false;  // v53: relative to the file that names them
  bool operator==(const Abilities&) const = default;
};
Abilities abilities_of(Version version);

// `name`: an absolute path, or a name on PATH. Failure UNAVAILABLE when there is none. [any thread]
Binary find_binary(const std::string& name);

// "53.0" of "cloud-hypervisor v53.0-dirty\n..." and of the ping's "v53.0" and "53.0.0"; 0.0 where there is none.
Version parse_version(const std::string& printed);
std::string to_string(Version version);

// Asks the binary, once for each file that it is. Failure UNSUPPORTED for a version that is too old. [instance-thread]
Version query_version(const sdk::Host& host, const sdk::Context& context, const Binary& binary);
// Failure UNSUPPORTED for a version before oldest_version.
void require_supported(Version version, const std::string& of);

}  // namespace anyvisor::cloud_hypervisor
