// SPDX-License-Identifier: MIT
// One instance on QEMU: the hops between machine states, as QMP commands.
#pragma once

#include <anyvisor/plugin.hpp>
#include <memory>
#include <optional>
#include <string>

#include "command_line.hpp"
#include "instance_folder.hpp"
#include "machine_document.hpp"
#include "settings.hpp"
#include "vmm_session.hpp"

namespace anyvisor::qemu {

// Calls as plugin.h says: never two at once. When a hop fails or times out the VMM is left as it is; ending it after a
// failed create() is the host's, which owns the process.
class QemuMachine : public sdk::Machine {
 public:
  QemuMachine(sdk::Host host, Settings settings, MachineDocument document);
  ~QemuMachine() override;

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
  std::string fork(const sdk::Context& context, std::string_view request) override;
  std::string snapshot_disk(const sdk::Context& context, std::string_view request) override;
  std::string guest_endpoints(const sdk::Context& context, std::string_view request) override;
  int event_fd() override;
  std::string on_event(const sdk::Context& context, std::string_view request) override;

 private:
  struct Started {
    json::Document hardware;  // guest-visible
    std::string state;
  };
  // Starts the VMM on memory_.
  Started start_vmm(const sdk::Context& context, const std::vector<Endpoint>& endpoints, LaunchFacts facts);
  // The VMM's RAM, also of one that another plugin-host has started.
  const Descriptor& memory();
  void require_same_hardware(const std::vector<Endpoint>& endpoints, const LaunchFacts& facts) const;
  LaunchFacts gather_facts(const sdk::Context& context, std::string& accelerator_reason);
  InstanceFolder& folder();
  // The conversation with the running VMM; connects anew when it was lost. Failure when there is none.
  VmmSession& session(const sdk::Context& context);
  // Runs a hop over the conversation. When QEMU hangs up meanwhile the conversation is over.
  template <class Hop>
  std::string converse(const sdk::Context& context, Hop&& hop);
  std::string set_clock(const sdk::Context& context, VmmSession& session);
  std::string ask_agent_to_shut_down(const sdk::Context& context, VmmSession& session);

  sdk::Host host_;
  Settings settings_;
  MachineDocument document_;
  std::optional<InstanceFolder> folder_;
  Descriptor memory_;
  int vmm_pid_ = -1;
  std::unique_ptr<VmmSession> session_;
};

template <class Hop>
std::string QemuMachine::converse(const sdk::Context& context, Hop&& hop) {
  VmmSession& current = session(context);
  try {
    std::string reply = hop(current);
    current.rearm();
    return reply;
  } catch (const ConnectionLost&) {
    session_.reset();
    throw;
  } catch (...) {
    current.rearm();
    throw;
  }
}

}  // namespace anyvisor::qemu
