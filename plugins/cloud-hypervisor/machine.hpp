// SPDX-License-Identifier: MIT
// One instance on Cloud Hypervisor: the hops between machine states, as requests to its API.
#pragma once

#include <anyvisor/plugin.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api_call.hpp"
#include "event_stream.hpp"
#include "instance_folder.hpp"
#include "machine_document.hpp"
#include "settings.hpp"
#include "version.hpp"
#include "vm_config.hpp"

namespace anyvisor::cloud_hypervisor {

// Calls as plugin.h says: never two at once. When a hop fails or times out the VMM is left as it is; ending it after a
// failed create() is the host's, which owns the process.
class CloudHypervisorMachine : public sdk::Machine {
 public:
  using Method = ApiCall::Method;

  CloudHypervisorMachine(sdk::Host host, Settings settings, MachineDocument document);

  std::string create(const sdk::Context& context, std::string_view request) override;
  std::string adopt(const sdk::Context& context, std::string_view request) override;
  std::string boot(const sdk::Context& context, std::string_view request) override;
  std::string pause(const sdk::Context& context, std::string_view request) override;
  std::string resume(const sdk::Context& context, std::string_view request) override;
  std::string shutdown(const sdk::Context& context, std::string_view request) override;
  std::string terminate(const sdk::Context& context, std::string_view request) override;
  std::string state(const sdk::Context& context, std::string_view request) override;
  std::string save(const sdk::Context& context, std::string_view request) override;
  std::string restore(const sdk::Context& context, std::string_view request) override;
  std::string attach_device(const sdk::Context& context, std::string_view request) override;
  std::string detach_device(const sdk::Context& context, std::string_view request) override;
  std::string resize(const sdk::Context& context, std::string_view request) override;
  std::string guest_endpoints(const sdk::Context& context, std::string_view request) override;
  int event_fd() override { return events_.fd(); }
  std::string on_event(const sdk::Context& context, std::string_view request) override;

 private:
  struct Observed {
    std::string state, reason;
  };

  // What the host and the program have to offer, before anything is started. Failure where the machine cannot run.
  Binary prepare(const sdk::Context& context);
  ConfigFacts config_facts() const;
  // Starts the VMM, without a machine in it, and hears which version it is.
  void start_vmm(const sdk::Context& context, const Binary& binary);
  std::string started_reply(const char* state, const std::vector<Nic>& nics);
  void restore_memory(const sdk::Context& context, const std::string& folder);
  std::string put(const sdk::Context& context, const char* action, std::string_view body = {});
  Observed query(const sdk::Context& context);
  // The ids of the disks that are plugged in now. Failure as ApiCall's.
  std::vector<std::string> disk_ids(const sdk::Context& context);
  // The guest has been booted: from now on "Created" means that it is off.
  void note_booted();
  std::string tell(Observed observed);
  InstanceFolder& folder();

  sdk::Host host_;
  Settings settings_;
  MachineDocument document_;
  std::optional<InstanceFolder> folder_;
  Version version_;
  EventStream events_;
  std::string told_;                   // the state that the host has been told last
  bool booted_ = false, off_ = false;  // the guest has been; it has told by an event that it is
};

}  // namespace anyvisor::cloud_hypervisor
