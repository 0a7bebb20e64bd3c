// SPDX-License-Identifier: MIT
// UEFI firmware: OVMF's code, shared and read-only, and the variables, a file of each machine's own.
#pragma once

#include <optional>
#include <string>

#include "settings.hpp"

namespace anyvisor::qemu {

struct Firmware {
  std::string code;       // file of the code
  std::string variables;  // template of the variables
};

// The firmware for new machines, or nothing when none is installed. Looks at files, writes none. [any thread]
std::optional<Firmware> find_firmware(const Settings& settings);

// Copies the template to `variables` unless a file is there already, durably and in one step, and says which firmware
// belongs to that file (by size: code and variables come in pairs of 2 and 4 MiB). Throws sdk::Failure.
Firmware prepare_firmware(const Settings& settings, const std::string& variables);

}  // namespace anyvisor::qemu
