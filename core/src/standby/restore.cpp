// SPDX-License-Identifier: MIT
// restore: docs/standby.md has the order of the steps and what a crash at each leads to.
#include "standby/restore.hpp"

#include "instance/intent.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/state_machine.hpp"
#include "standby/checks.hpp"
#include "standby/saved_folder.hpp"

namespace anyvisor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds host_patience{10000};

std::vector<EndpointInfo> endpoints_of(const Manifest& manifest) {
  rapidjson::Document endpoints;
  endpoints.Parse(manifest.endpoints.data(), manifest.endpoints.size());
  return endpoints.HasParseError() ? std::vector<EndpointInfo>() : endpoints_from_json(endpoints);
}

class Restoring {
 public:
  Restoring(const Workspace& workspace, LockedInstance& locked, const std::string& operation, PhaseClock& clock)
      : workspace_(workspace), locked_(locked), operation_(operation), clock_(clock) {}

  Result<void> run() {
    const auto begin = Clock::now();
    ANYVISOR_TRY(auto manifest, read_manifest(locked_.folder));
    if (!manifest) return fail(ErrorKind::invalid_state, "there is no saved memory");
    clock_.begin("saved state");
    ANYVISOR_CHECK(check_saved_state(workspace_, locked_.record, *manifest));
    ANYVISOR_CHECK(write_intent(locked_.folder, {"restore", false, "", manifest->save, true}));
    if (auto loaded = load(*manifest); !loaded) {
      clock_.begin("undo");
      // Its guest has not run: memory and state are as they were.
      if (has_manifest(locked_.folder) && end_vmm(workspace_, locked_.record, quiet_))
        (void)clear_intent(locked_.folder);
      return loaded;
    }
    // From here on the state is used.
    clock_.begin("guest goes on");
    ANYVISOR_CHECK(machine_->resume(quiet_));
    locked_.record.restored = now_utc();
    locked_.record.restored_took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
    locked_.record.restored_save = manifest->save;
    locked_.record.saved = manifest->saved;
    locked_.record.saved_took = manifest->took;
    clock_.begin("record");
    record_operation(locked_, operation_, clock_.operation().phases);
    drop_device_state(locked_.folder);
    ANYVISOR_CHECK(clear_intent(locked_.folder));
    set_clock(*manifest);
    return {};
  }

 private:
  // The guest runs, and nothing is left to be done: where its clock cannot be set it is late, and that is said.
  void set_clock(const Manifest& manifest) {
    auto why_not = Result<std::string>("no guest agent runs in the guest");
    if (manifest.has_agent) {
      clock_.begin("guest clock");
      why_not = machine_->set_clock(clock_.operation());
    }
    if (!why_not || !why_not->empty())
      clock_.note("the guest's clock is late by as long as the guest stood still: " +
                  (why_not ? *why_not : why_not.error().message));
  }

  Result<void> load(const Manifest& manifest) {
    clock_.begin("plugin-host");
    // One that an interrupted command has left: its guest stands still, and is not what was saved.
    ANYVISOR_CHECK(end_vmm(workspace_, locked_.record, quiet_));
    InstanceRecord record = locked_.record;
    record.hardware = manifest.hardware;  // what the backend compares with what it can provide now
    ANYVISOR_TRY(auto machine, MachineControl::reach(workspace_, record, host_patience));
    machine_.emplace(std::move(machine));
    clock_.begin("networks");
    // The plugin names its phases as it goes through them.
    Operation inner;
    inner.cancel_fd = clock_.operation().cancel_fd;
    inner.progress = [this](const std::string& phase, std::uint64_t, std::uint64_t) { clock_.begin(phase); };
    ANYVISOR_TRY(std::string hardware,
                 machine_->restore({saved_folder(locked_.folder), manifest.label(), manifest.durable},
                                   endpoints_of(manifest), inner));
    clock_.begin("manifest");
    ANYVISOR_CHECK(consume_manifest(locked_.folder));
    locked_.record.hardware = std::move(hardware);
    return {};
  }

  const Workspace& workspace_;
  LockedInstance& locked_;
  const std::string& operation_;
  PhaseClock& clock_;
  std::optional<MachineControl> machine_;
  Operation quiet_;
};

}  // namespace

Result<void> restore_locked(const Workspace& workspace, LockedInstance& locked, const std::string& operation,
                            PhaseClock& clock) {
  auto restored = Restoring(workspace, locked, operation, clock).run();
  if (restored) return restored;
  Error error = std::move(restored).error();
  if (has_manifest(locked.folder))
    error.hint += std::string(error.hint.empty() ? "its saved state is left as it is; to" : ", or to") +
                  " give its memory up and start it afresh: anyvisor start --discard-memory " + locked.record.name;
  return in_context("cannot restore \"" + locked.record.name + "\"", std::move(error));
}

Result<void> discard_saved_memory(const Workspace& workspace, const LockedInstance& locked) {
  Operation quiet;
  ANYVISOR_CHECK(end_vmm(workspace, locked.record, quiet));
  ANYVISOR_CHECK(drop_saved_state(locked.folder, false));
  let_go_of_kept_memory(locked.folder);
  return {};
}

Result<std::string> restore(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, instance));
  const Observed now = observe(workspace, locked.record);
  auto hops = plan_hops(Verb::restore, now.state, locked.record.name);
  if (!hops) {
    // Why there is nothing to restore is what people want to know.
    if (now.state == State::stopped && !now.reason.empty()) hops.error().message += " (" + now.reason + ")";
    return tl::unexpected(std::move(hops).error());
  }
  ANYVISOR_CHECK(restore_locked(workspace, locked, "restore", clock));
  return locked.record.id;
}

}  // namespace anyvisor
