// SPDX-License-Identifier: MIT
#include "backend.hpp"

#include <algorithm>

#include "accelerator.hpp"
#include "capability_report.hpp"
#include "landlock.hpp"
#include "machine.hpp"
#include "machine_document.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

bool writes_qcow2(const json::Value& request) {
  const auto* machine = json::object_or_null(request, "machine");
  const auto* disks = machine ? json::array_or_null(*machine, "disks") : nullptr;
  return disks && std::any_of(disks->Begin(), disks->End(), [](const json::Value& disk) {
           return json::string_or(disk, "format") == "qcow2" && !json::bool_or(disk, "read_only", false);
         });
}

}  // namespace

CloudHypervisorBackend::CloudHypervisorBackend(sdk::Host host, const sdk::Context&, std::string_view settings)
    : host_(host), settings_(parse_settings(settings)) {}

std::string CloudHypervisorBackend::capabilities(const sdk::Context& context, std::string_view request) {
  const json::Document asked = parse_object(request, "the request");
  HostFacts facts;
  facts.binary = find_binary(settings_.binary);
  facts.version = query_version(host_, context, facts.binary);
  facts.kvm = examine_kvm(host_, context, settings_, facts.binary);
  facts.landlock = landlock_version();
  facts.writes_qcow2 = writes_qcow2(asked);
  return json::render(make_capability_report(settings_, facts));
}

std::unique_ptr<sdk::Machine> CloudHypervisorBackend::attach(const sdk::Context&, std::string_view machine_document) {
  return std::make_unique<CloudHypervisorMachine>(host_, settings_, parse_machine(machine_document));
}

}  // namespace anyvisor::cloud_hypervisor
