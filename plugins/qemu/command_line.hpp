// SPDX-License-Identifier: MIT
// QEMU's arguments for one machine: a pure function of documents and facts. Touches nothing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "machine_document.hpp"

namespace anyvisor::qemu {

// Descriptors that QEMU gets, by the numbers that they have in this process. Not owned.
struct OwnDescriptors {
  int folder = -1, qmp = -1, console = -1, agent = -1, memory = -1;
  int vsock = -1;  // of a machine with a vsock device
};

// The number that QEMU has its RAM's descriptor by.
inline constexpr int memory_number = 7;

// What is known besides the documents.
struct LaunchFacts {
  std::string binary;        // absolute path
  std::string machine_type;  // q35, or a version of it
  std::string accelerator;   // kvm or tcg
  std::string cpu_model;
  bool sandbox = true;
  bool incoming = false;                          // its state comes later, over QMP: nothing boots
  std::string firmware_code, firmware_variables;  // boot method uefi
  OwnDescriptors descriptors;
};

struct CommandLine {
  std::vector<std::string> argv;
  std::vector<std::pair<int, int>>
      descriptors;  // {here, in QEMU}: all that QEMU inherits besides stdin, stdout, stderr
};

// Throws sdk::Failure where there are more devices than the machine has room for.
CommandLine build_command_line(const MachineDocument& machine, const std::vector<Endpoint>& endpoints,
                               const LaunchFacts& facts);

}  // namespace anyvisor::qemu
