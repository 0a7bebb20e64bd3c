// SPDX-License-Identifier: MIT
#include "failed_start.hpp"

#include <array>

namespace anyvisor::cloud_hypervisor {
namespace {

constexpr std::array<sdk::KnownSaying, 4> known{{
    {"/dev/kvm", ANYVISOR_UNAVAILABLE, "Cloud Hypervisor needs KVM: see anyvisor doctor", false},
    {"Cannot allocate memory", ANYVISOR_EXHAUSTED, "give the machine less memory, or end other machines", true},
    {"No space left on device", ANYVISOR_EXHAUSTED, "free disk space", true},
    {"seccomp", ANYVISOR_BACKEND_FAILED,
     "if this kernel's seccomp is the reason: set the plugin's setting sandbox to false", false},
}};

}  // namespace

sdk::Failure explain_failed_start(const std::string& said) {
  return sdk::explain_failed_start("Cloud Hypervisor", said, known);
}

}  // namespace anyvisor::cloud_hypervisor
