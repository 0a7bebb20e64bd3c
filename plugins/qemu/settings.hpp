// SPDX-License-Identifier: MIT
// The plugin's own settings, as the host hands them to open() after checking them against `settings_schema`.
#pragma once

#include <string>
#include <string_view>

namespace anyvisor::qemu {

extern const char* const settings_schema;

enum class AcceleratorChoice { automatic, kvm, tcg };

struct Settings {
  std::string binary = "qemu-system-x86_64";  // absolute path, or a name to look up on PATH
  std::string machine_type = "q35";           // for new machines; an existing one keeps its own
  std::string cpu_model;                      // empty: host with KVM, max with TCG
  AcceleratorChoice accelerator = AcceleratorChoice::automatic;
  bool sandbox = true;
  std::string firmware_code;       // empty: looked for
  std::string firmware_variables;  // empty: looked for
};

// Throws sdk::Failure with the offending field. [any thread]
Settings parse_settings(std::string_view text);

}  // namespace anyvisor::qemu
