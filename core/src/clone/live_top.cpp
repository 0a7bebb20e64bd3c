// SPDX-License-Identifier: MIT
// The order of things, and why it needs no intent:
//
//   1. the new overlay is made over the top         nobody's: a collection removes it
//   2. instance.json names the overlay              durable, *before* the VMM knows of it
//   3. the VMM switches to the overlay
//   4. the former top is frozen                     only now does anything stand on it
//
// Killed between 2 and 3, the VMM still writes to the former top, which nothing else uses yet. The overlay is empty, so
// that whatever starts next sees through it what the VMM has written until its end: no name has to be taken back. The
// other order would lose data: an instance.json that names the top while the VMM writes to an overlay.
// Killed between 3 and 4, the former top is what it is, and nobody writes to it; its document does not say so yet.
// Both look the same from outside: a top over a disk that is not frozen. Then the switch is asked for again, which the
// backend answers by what its VMM has open, and which changes nothing where it was done. No file says which it is.
#include "clone/live_top.hpp"

#include "instance/identifier.hpp"
#include "instance/machine_control.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds host_patience{10000};

class LiveFreeze {
 public:
  LiveFreeze(const Workspace& workspace, LockedInstance& source, PhaseClock& clock)
      : workspace_(workspace), source_(source), clock_(clock) {}

  Result<FrozenTop> run() {
    clock_.begin("plugin-host");
    ANYVISOR_TRY(auto machine, MachineControl::reach(workspace_, source_.record, host_patience));
    const State state = machine.observed().state;
    if (state == State::stopped) return ended();
    guest_is_off_ = state == State::shutdown || state == State::created;
    ANYVISOR_CHECK(machine.check_can_snapshot_disk(clock_.operation()));
    ANYVISOR_TRY(Disk top, workspace_.disks.read(source_.record.disk));
    if (!top.backing.empty()) {
      ANYVISOR_TRY(Disk below, workspace_.disks.read(top.backing));
      if (!below.frozen) {
        ANYVISOR_TRY(auto snapshot, switch_to(machine, top));
        if (!snapshot) return ended();
        ANYVISOR_CHECK(workspace_.disks.freeze(below));
        // Else it had been done before, and the guest may have written to its new top since.
        if (snapshot->switched) return answer(std::move(below), top.virtual_size, *snapshot);
      }
    }
    clock_.begin("overlay");
    ANYVISOR_TRY(Disk overlay,
                 workspace_.disks.create_overlay(new_id(), top, top.virtual_size, "instance " + source_.record.id));
    InstanceRecord record = source_.record;
    record.disk = overlay.id;
    ANYVISOR_CHECK(write_instance(source_.folder, record, "clone.freeze-live"));
    source_.record = std::move(record);
    ANYVISOR_TRY(auto snapshot, switch_to(machine, overlay));
    if (!snapshot) return ended();
    // A first call had done it, and whether the guest was frozen then nobody knows any more.
    if (!snapshot->switched) snapshot->frozen_reason = "its plugin-host ended while the disk was being switched";
    clock_.begin("freeze");
    ANYVISOR_CHECK(workspace_.disks.freeze(top));
    return answer(std::move(top), overlay.virtual_size, *snapshot);
  }

 private:
  using Snapshot = MachineControl::DiskSnapshot;

  // Nothing: the VMM has ended. After a plugin-host's death the next one is asked, which also thaws what that left
  // frozen.
  Result<std::optional<Snapshot>> switch_to(MachineControl& machine, const Disk& overlay) {
    auto snapshot = switch_once(machine, overlay);
    if (snapshot) return std::optional(std::move(*snapshot));
    if (snapshot.error().kind == ErrorKind::cancelled) return tl::unexpected(std::move(snapshot).error());
    ANYVISOR_TRY(auto again, MachineControl::reach(workspace_, source_.record, host_patience));
    if (again.observed().state == State::stopped) return std::optional<Snapshot>();
    auto second = switch_once(again, overlay);
    machine = std::move(again);
    if (second) return std::optional(std::move(*second));
    if (observe(workspace_, source_.record).state == State::stopped) return std::optional<Snapshot>();
    return in_context("cannot switch the disk of \"" + source_.record.name + "\" while it runs",
                      std::move(snapshot).error());
  }

  // The plugin names its phases as it goes through them.
  Result<Snapshot> switch_once(MachineControl& machine, const Disk& overlay) {
    clock_.begin("overlay opening");
    Operation inner;
    inner.cancel_fd = clock_.operation().cancel_fd;
    inner.progress = [&](const std::string& phase, std::uint64_t, std::uint64_t) { clock_.begin(phase); };
    const bool runs = machine.observed().state == State::running;
    auto snapshot = machine.snapshot_disk(workspace_.disks.path(overlay), runs, inner);
    if (snapshot && runs && snapshot->held.count() > 0)
      clock_.note("the guest's writes waited for " + std::to_string(snapshot->held.count()) + " us");
    if (snapshot && !runs) snapshot->frozen_reason = "the guest stood still and could not freeze its file systems";
    return snapshot;
  }

  Result<FrozenTop> ended() {
    clock_.begin("freeze");
    ANYVISOR_TRY(FrozenTop top, freeze_top(workspace_, source_));
    top.consistency = crash_consistent;
    top.consistency_reason = "its VMM ended meanwhile";
    return top;
  }

  FrozenTop answer(Disk disk, std::uint64_t size, const Snapshot& snapshot) const {
    if (guest_is_off_) return {std::move(disk), size, was_stopped, {}};
    return {std::move(disk), size, snapshot.frozen ? file_systems_frozen : crash_consistent, snapshot.frozen_reason};
  }

  const Workspace& workspace_;
  LockedInstance& source_;
  PhaseClock& clock_;
  bool guest_is_off_ = false;  // Shutdown, Created: the VMM has the disk open, and nobody writes
};

}  // namespace

Result<FrozenTop> freeze_live_top(const Workspace& workspace, LockedInstance& source, PhaseClock& clock) {
  return LiveFreeze(workspace, source, clock).run();
}

}  // namespace anyvisor
