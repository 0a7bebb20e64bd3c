// SPDX-License-Identifier: MIT
// The entry of anyvisor-cloud-hypervisor.so.
#include <anyvisor/plugin.hpp>

#include "backend.hpp"
#include "settings.hpp"

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"cloud-hypervisor", "0.1.0",
                                            "Runs machines with Cloud Hypervisor, under KVM", "MIT",
                                            anyvisor::cloud_hypervisor::settings_schema}),
                anyvisor::sdk::backend<anyvisor::cloud_hypervisor::CloudHypervisorBackend>())
