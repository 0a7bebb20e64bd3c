// SPDX-License-Identifier: MIT
// One instance's machine, through its plugin-host: the hops, each as one call. Who uses it holds the instance's lock,
// but for status().
#pragma once

#include <chrono>

#include "anyvisor/operation.hpp"
#include "host/host_client.hpp"
#include "instance/instance_record.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

struct Observed {
  State state = State::unknown;
  std::string reason;
};

class MachineControl {
 public:
  // Connects to the instance's plugin-host, starting it where there is none, and attaches: a living VMM is adopted.
  // Errors: not_found (a plugin), unavailable, timeout, backend_failed.
  static Result<MachineControl> reach(const Workspace& workspace, const InstanceRecord& record,
                                      std::chrono::milliseconds patience);

  Observed observed() const { return observed_; }  // as the last answer had it

  // The report for this machine. Fails with `unsupported` when it answers "no" to something that the machine needs.
  Result<json::Document> check_capabilities(Operation& operation);
  // The instance's seed.iso, of files and their texts. Errors: exhausted, backend_failed.
  Result<void> write_seed(const std::vector<std::pair<std::string, std::string>>& files, Operation& operation);
  // Stopped>Created: acquires the networks, starts the VMM. Returns the guest-visible hardware (JSON).
  Result<std::string> create(Operation& operation);
  Result<void> boot(Operation& operation);    // > Running
  Result<void> pause(Operation& operation);   // Running > Paused
  Result<void> resume(Operation& operation);  // Paused > Running
  // Of a Running machine that had stood still for long: its clock is set to this host's. Returns why that was not
  // possible; empty: done.
  Result<std::string> set_clock(Operation& operation);
  // Can this machine's disk be switched while it has a VMM? Errors: unsupported, with the backend's reason.
  Result<void> check_can_snapshot_disk(Operation& operation);
  struct DiskSnapshot {
    bool switched = false;              // false: the VMM wrote to the overlay already
    bool frozen = false;                // the guest's file systems were, meanwhile
    std::chrono::microseconds held{0};  // how long the guest's writes waited, as the backend says
    std::string frozen_reason;          // why they were not
  };
  // The VMM writes to `overlay` from now on: an empty overlay over the file that it writes to now, or (after an
  // interrupted call) the file that it writes to already. `freeze`: the guest's file systems for that moment, where its
  // agent answers. A failed call may have switched: ask again.
  Result<DiskSnapshot> snapshot_disk(const std::string& overlay, bool freeze, Operation& operation);
  // Can this machine's memory be saved and restored? Errors: unsupported, with the backend's reason. Returns whether
  // the guest's processor is emulated: then this host's does not matter to it.
  Result<bool> check_can_save(Operation& operation);
  struct SavedPlace {
    std::string folder, label;  // absolute; what tells this save from any other
    bool durable = true;
  };
  struct Saved {
    std::string state_file, memory_file;  // bare names; memory_file: empty when not durable
    std::uint64_t memory_size = 0;
    std::string vmm_name, vmm_version;
    bool has_agent = false;  // one ran in the guest: set_clock() may work after the restore
  };
  // Of a Paused machine, which stays that: resume() undoes it, terminate() makes it a Standby. Errors: exhausted,
  // cancelled, backend_failed.
  Result<Saved> save(const SavedPlace& place, Operation& operation);
  // Standby > Paused, with a VMM of its own. `ports`: host ports as they were, taken again where they are free. Returns
  // the hardware as create() does. Errors: corrupted, invalid_state (before the VMM starts), backend_failed.
  Result<std::string> restore(const SavedPlace& place, const std::vector<EndpointInfo>& before, Operation& operation);
  // The Unix socket on which the VMM serves the guest's vsock ports; empty: this host's kernel serves them.
  Result<std::string> vsock_socket(Operation& operation);
  // What the backend's report says of a capability that is not there ("" where it says nothing).
  std::string reason_against(const char* capability, Operation& operation);
  int host_pid() const { return client_.pid(); }
  // Asks the guest, by its "agent" or by "acpi", the power button; see wait_for_power_off.
  Result<void> ask_to_power_off(const std::string& method, Operation& operation);
  // Errors: timeout when the guest is still on after `grace`; cancelled.
  Result<void> wait_for_power_off(std::chrono::milliseconds grace, Operation& operation);
  // > Stopped: the VMM has ended and the record says so.
  Result<void> terminate(bool force, Operation& operation);

 private:
  MachineControl(HostClient client, const Workspace& workspace, InstanceRecord record);
  // All networks, in the order of the record. `before`: see restore().
  Result<json::Document> acquire_networks(const std::vector<EndpointInfo>& before, Operation& operation);
  Result<std::string> start_vmm(const std::string& method, const json::Value& params, Operation& operation);
  // The backend's report for this machine.
  Result<json::Document> report(Operation& operation);
  Result<json::Document> call(const std::string& method, const json::Value& params, std::chrono::milliseconds limit,
                              Operation& operation);
  HostClient client_;
  const Workspace* workspace_;
  InstanceRecord record_;
  Observed observed_;
};

// The state of an instance, derived: process record, plugin-host, VMM, saved memory. Starts a plugin-host that adopts
// when a VMM lives without one. Takes no lock and changes nothing of the instance's.
Observed observe(const Workspace& workspace, const InstanceRecord& record);
// The same of its VMM alone, whatever saved memory there is.
Observed observe_vmm(const Workspace& workspace, const InstanceRecord& record);

// Ends an instance's VMM whatever its plugin-host can do: through it when it answers, else by signal to the recorded
// process. No VMM: no error.
Result<void> end_vmm(const Workspace& workspace, const InstanceRecord& record, Operation& operation);

}  // namespace anyvisor
