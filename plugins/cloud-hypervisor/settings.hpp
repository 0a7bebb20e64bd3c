// SPDX-License-Identifier: MIT
// What a person can set for this plugin.
#pragma once

#include <string>
#include <string_view>

namespace anyvisor::cloud_hypervisor {

// JSON Schema draft-04; the host checks settings against it before the plugin sees them.
extern const char* const settings_schema;

enum class MemoryRestore { automatic, copy, on_demand };

struct Settings {
  std::string binary = "cloud-hypervisor";  // absolute path, or a name on PATH
  std::string firmware;                     // absolute path, or empty: kernels are booted directly
  bool believe_kvm = false;                 // KVM is not tried out before it is used
  bool sandbox = true;                      // seccomp, and Landlock where kernel and version have it
  MemoryRestore memory_restore = MemoryRestore::automatic;
};

// Throws sdk::Failure. [any thread]
Settings parse_settings(std::string_view text);

}  // namespace anyvisor::cloud_hypervisor
