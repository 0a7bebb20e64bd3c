// SPDX-License-Identifier: MIT
// What works, and why the rest does not: capability-report.schema.json.
#pragma once

#include <anyvisor/json.hpp>
#include <kvm_probe.hpp>

#include "settings.hpp"
#include "version.hpp"

namespace anyvisor::cloud_hypervisor {

struct HostFacts {
  Binary binary;
  Version version;
  sdk::KvmAnswer kvm;
  int landlock = 0;  // the kernel's version of it
  // The machine that is asked about writes to a qcow2 file, which Cloud Hypervisor completes only as it ends.
  bool writes_qcow2 = false;
};

// [any thread]
json::Document make_capability_report(const Settings& settings, const HostFacts& facts);

}  // namespace anyvisor::cloud_hypervisor
