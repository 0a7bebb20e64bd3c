// SPDX-License-Identifier: MIT
// standby: docs/standby.md has the order of the steps and what a crash at each leads to.
#include "instance/identifier.hpp"
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/state_machine.hpp"
#include "standby/checks.hpp"
#include "standby/digest.hpp"
#include "standby/host_cpu.hpp"
#include "standby/saved_folder.hpp"
#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds host_patience{10000};

class Saving {
 public:
  Saving(const Workspace& workspace, LockedInstance& locked, const StandbyRequest& request, PhaseClock& clock)
      : workspace_(workspace), locked_(locked), request_(request), clock_(clock), save_(new_id()) {}

  // `from`: Running or Paused.
  Result<void> run(State from) {
    was_running_ = from == State::running;
    clock_.begin("plugin-host");
    ANYVISOR_TRY(auto machine, MachineControl::reach(workspace_, locked_.record, host_patience));
    clock_.begin("capabilities");
    ANYVISOR_TRY(const bool emulated, machine.check_can_save(clock_.operation()));
    if (!emulated) host_cpu_ = describe_host_cpu();
    ANYVISOR_CHECK(write_intent(locked_.folder, {"standby", false, "", save_, was_running_}));
    auto saved = save(machine);
    if (!saved) return undo(std::move(saved).error());
    clock_.begin("VMM end");
    // From here on it is Standby, whatever comes: a VMM that does not end now is ended by the next command.
    if (!machine.terminate(false, clock_.operation())) ANYVISOR_CHECK(end_vmm(workspace_, locked_.record, quiet_));
    clock_.begin("record");
    record_operation(locked_, "standby", clock_.operation().phases);
    return clear_intent(locked_.folder);
  }

 private:
  Result<void> save(MachineControl& machine) {
    clock_.begin("folder");
    ANYVISOR_CHECK(prepare_saved_folder(locked_.folder));
    clock_.begin("guest stopped");
    const auto begin = Clock::now();
    if (was_running_) ANYVISOR_CHECK(machine.pause(clock_.operation()));
    if (machine.observed().state != State::paused)
      return fail(ErrorKind::invalid_state,
                  "its guest has ended meanwhile: it is " + std::string(state_name(machine.observed().state)),
                  "see 'anyvisor info " + locked_.record.name + "'");
    Manifest manifest;
    manifest.instance = locked_.record.id;
    manifest.save = save_;
    manifest.durable = request_.durable;
    ANYVISOR_TRY(const auto saved,
                 machine.save({saved_folder(locked_.folder), manifest.label(), request_.durable}, named_by_plugin()));
    clock_.begin("manifest");
    ANYVISOR_CHECK(describe_files(saved, manifest));
    ANYVISOR_CHECK(describe_machine(saved, machine, manifest));
    manifest.saved = now_utc();
    manifest.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
    ANYVISOR_CHECK(publish_manifest(locked_.folder, manifest));
    locked_.record.saved = manifest.saved;
    locked_.record.saved_took = manifest.took;
    return {};
  }

  // The plugin names its phases, and moves bytes in them.
  Operation& named_by_plugin() {
    inner_.cancel_fd = clock_.operation().cancel_fd;
    inner_.progress = [this](const std::string& phase, std::uint64_t done, std::uint64_t total) {
      if (phase != phase_) clock_.begin(phase_ = phase);
      if (clock_.operation().progress) clock_.operation().progress(phase, done, total);
    };
    return inner_;
  }

  // The VMM has flushed its content. Its time goes with that only where it is asked for, and after a power cut an older
  // one would tell of a write that nobody made.
  Result<UntouchedFile> last_seen(const std::string& path) const {
    DurableStep durable("standby.disk-time");
    if (request_.durable) ANYVISOR_CHECK(flush_file(path));
    return UntouchedFile::of(path);
  }

  Result<void> describe_files(const MachineControl::Saved& saved, Manifest& manifest) const {
    const std::string folder = saved_folder(locked_.folder);
    manifest.state_file = saved.state_file;
    ANYVISOR_TRY(const auto state, UntouchedFile::of(folder + "/" + saved.state_file));
    manifest.state_size = state.size;
    ANYVISOR_TRY(manifest.state_digest, digest_of_file(folder + "/" + saved.state_file));
    manifest.memory_size = saved.memory_size;
    if (request_.durable) {
      manifest.memory_file = saved.memory_file;
      ANYVISOR_TRY(const auto memory, UntouchedFile::of(folder + "/" + saved.memory_file));
      manifest.memory_file_size = memory.size;
    }
    if (!locked_.record.disk.empty()) {
      ANYVISOR_TRY(const Disk top, workspace_.disks.read(locked_.record.disk));
      manifest.disk = top.id;
      manifest.disk_file = top.file_name();
      ANYVISOR_TRY(manifest.disk_content, last_seen(workspace_.disks.path(top)));
    }
    auto variables = last_seen(locked_.folder + "/nvram.fd");
    if (variables) manifest.firmware_variables = *variables;
    return {};
  }

  Result<void> describe_machine(const MachineControl::Saved& saved, const MachineControl& machine,
                                Manifest& manifest) const {
    manifest.vmm_name = saved.vmm_name;
    manifest.vmm_version = saved.vmm_version;
    manifest.has_agent = saved.has_agent;
    manifest.hardware = locked_.record.hardware;
    manifest.machine = visible_machine(locked_.record);
    manifest.host_cpu = host_cpu_;
    ANYVISOR_TRY(const auto process, read_process_record(locked_.folder));
    manifest.endpoints = process.endpoints;
    if (request_.durable) return {};
    ANYVISOR_TRY(manifest.keeper, ProcessIdentity::of(machine.host_pid()));
    ANYVISOR_TRY(manifest.home, FolderIdentity::of(workspace_.home.path()));
    return {};
  }

  // The manifest is not there, durably: the guest goes on. Where that is not certain, or the guest cannot go on now,
  // the intent stays, and the next command decides by what it finds.
  Result<void> undo(Error error) {
    clock_.begin("undo");
    if (!has_manifest(locked_.folder)) {
      auto machine = MachineControl::reach(workspace_, locked_.record, host_patience);
      const bool stands = machine && machine->observed().state == State::paused;
      const bool undone = machine && (!stands || !was_running_ || machine->resume(quiet_));
      if (undone) {
        drop_device_state(locked_.folder);
        (void)clear_intent(locked_.folder);
      }
    }
    return in_context("cannot put \"" + locked_.record.name + "\" into standby", std::move(error));
  }

  const Workspace& workspace_;
  LockedInstance& locked_;
  const StandbyRequest& request_;
  PhaseClock& clock_;
  const std::string save_;
  bool was_running_ = false;
  std::string host_cpu_, phase_;
  Operation quiet_, inner_;
};

}  // namespace

Result<Changed> standby(const Workspace& workspace, const std::string& instance, const StandbyRequest& request,
                        PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  const State from = observe(workspace, locked.record).state;
  ANYVISOR_TRY(auto hops, plan_hops(Verb::standby, from, locked.record.name));
  if (hops.empty()) return Changed{locked.record.id, true};
  ANYVISOR_CHECK(Saving(workspace, locked, request, clock).run(from));
  return Changed{locked.record.id};
}

}  // namespace anyvisor
