// SPDX-License-Identifier: MIT
// The backend of this plugin: what Cloud Hypervisor can do on this host, and handles for machines.
#pragma once

#include <anyvisor/plugin.hpp>
#include <memory>
#include <string>

#include "settings.hpp"

namespace anyvisor::cloud_hypervisor {

class CloudHypervisorBackend : public sdk::Backend {
 public:
  CloudHypervisorBackend(sdk::Host host, const sdk::Context& context, std::string_view settings);
  std::string capabilities(const sdk::Context& context, std::string_view request) override;
  std::unique_ptr<sdk::Machine> attach(const sdk::Context& context, std::string_view machine_document) override;

 private:
  sdk::Host host_;
  Settings settings_;
};

}  // namespace anyvisor::cloud_hypervisor
