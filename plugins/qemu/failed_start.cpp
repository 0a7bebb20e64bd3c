// SPDX-License-Identifier: MIT
#include "failed_start.hpp"

#include <array>

namespace anyvisor::qemu {
namespace {

constexpr std::array<sdk::KnownSaying, 10> known{{
    {"Could not set up host forwarding rule", ANYVISOR_BUSY, "the port is taken: publish another one", true},
    {"unsupported machine type", ANYVISOR_UNAVAILABLE,
     "this machine was made by a newer QEMU: install that one, or set the plugin's setting machine_type", false},
    {"Failed to get \"write\" lock", ANYVISOR_BUSY, "another process has the disk open: end it first", true},
    {"Failed to get shared \"write\" lock", ANYVISOR_BUSY, "another process has the disk open: end it first", true},
    {"Could not access KVM kernel module", ANYVISOR_UNAVAILABLE, "set the plugin's setting accelerator to auto or tcg",
     false},
    {"failed to set MSR", ANYVISOR_UNAVAILABLE, "KVM does not work here: set accelerator to auto or tcg", false},
    {"Cannot allocate memory", ANYVISOR_EXHAUSTED, "give the machine less memory, or end other machines", true},
    {"sandbox", ANYVISOR_UNAVAILABLE, "if this QEMU has no seccomp support: set the plugin's setting sandbox to false",
     false},
    {"unable to set guest cid", ANYVISOR_BUSY,
     "a machine of another home folder has this vsock context id: end that one; a clone of this one gets another",
     true},
    {"No space left on device", ANYVISOR_EXHAUSTED, "free disk space", true},
}};

}  // namespace

sdk::Failure explain_failed_start(const std::string& said) {
  return sdk::explain_failed_start("QEMU", said, known);
}

}  // namespace anyvisor::qemu
