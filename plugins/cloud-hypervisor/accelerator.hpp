// SPDX-License-Identifier: MIT
// Cloud Hypervisor runs under KVM or not at all.
#pragma once

#include <kvm_probe.hpp>

#include "settings.hpp"
#include "version.hpp"

namespace anyvisor::cloud_hypervisor {

// Whether this Cloud Hypervisor runs guests on this host's KVM: as set, else by the host's probe, which boots a small
// guest with it and keeps the answer. 3 s at most the first time (longer on a host that is slow itself), next to
// nothing afterwards. [instance-thread]
sdk::KvmAnswer examine_kvm(const sdk::Host& host, const sdk::Context& context, const Settings& settings,
                           const Binary& binary);

}  // namespace anyvisor::cloud_hypervisor
