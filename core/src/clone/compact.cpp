// SPDX-License-Identifier: MIT
#include "clone/compact.hpp"

#include "instance/collect.hpp"
#include "instance/identifier.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/staged_folder.hpp"
#include "instance/state_machine.hpp"
#include "storage/disk_image_tool.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds collect_patience{2000};

// What the merged disk needs at least: all that is seen, less what the lowest disk has of it.
Result<void> check_there_is_room(const Workspace& workspace, const Disk& top, const Disk& lowest,
                                 Operation& operation) {
  ANYVISOR_TRY(const auto all, measure_content({workspace.disks.path(top), top.format}, operation));
  ANYVISOR_TRY(const auto below, measure_content({workspace.disks.path(lowest), lowest.format}, operation));
  return check_space(workspace.home.disks(), all > below ? all - below : 0, "merge the disks");
}

}  // namespace

Result<bool> clone_is_too_long(const Workspace& workspace, const InstanceRecord& source, bool prepared) {
  ANYVISOR_TRY(auto chain, workspace.disks.chain(source.disk));
  bool empty = chain.front().frozen;
  if (!empty && chain.front().format == "qcow2" && chain.size() > 1) {
    ANYVISOR_TRY(empty, overlay_is_empty(workspace.disks.path(chain.front())));
  }
  // An empty top is passed over: the clone stands on what is below it.
  const std::size_t frozen = chain.size() - (empty ? 1 : 0);
  return frozen + 1 + (prepared ? 1 : 0) > longest_chain;
}

Result<void> shorten_chain(const Workspace& workspace, LockedInstance& instance, PhaseClock& clock) {
  ANYVISOR_TRY(auto chain, workspace.disks.chain(instance.record.disk));
  if (chain.size() <= 2) return {};
  const Disk& top = chain.front();
  const Disk& lowest = chain.back();
  clock.begin("merge");
  ANYVISOR_CHECK(check_there_is_room(workspace, top, lowest, clock.operation()));
  std::uint64_t occupied = 0;
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) occupied += workspace.disks.occupied(chain[i]);
  // An overlay on the whole chain, which then is moved down. Until instance.json names it, it is nobody's.
  ANYVISOR_TRY(Disk merged,
               workspace.disks.create_overlay(new_id(), top, top.virtual_size, "instance " + instance.record.id));
  const auto build = [&]() -> Result<void> {
    ANYVISOR_CHECK(move_overlay(workspace.disks.path(merged), {workspace.disks.path(lowest), lowest.format}, occupied,
                                clock.operation()));
    clock.begin("record");
    ANYVISOR_CHECK(workspace.disks.flush(merged));
    merged.backing = lowest.id;
    ANYVISOR_CHECK(workspace.disks.describe(merged));
    InstanceRecord record = instance.record;
    record.disk = merged.id;
    ANYVISOR_CHECK(write_instance(instance.folder, record, "compact.switch"));
    instance.record = std::move(record);
    return {};
  };
  auto built = build();
  // When it is not known whether instance.json names it, it is left to the collection.
  if (!built && instance.record.disk != merged.id)
    if (auto now = read_instance(instance.folder); now && now->disk != merged.id)
      (void)workspace.disks.remove(merged.id);
  return built;
}

Result<std::string> compact(const Workspace& workspace, const std::string& wanted, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  auto run = [&]() -> Result<std::string> {
    ANYVISOR_TRY(StagedFolder staged, StagedFolder::make(workspace, new_id()));
    ANYVISOR_TRY(LockedInstance locked, lock_instance(workspace, wanted));
    if (const State state = observe(workspace, locked.record).state; state != State::stopped) {
      const std::string& name = locked.record.name;
      const bool sleeps = state == State::standby;
      return fail(ErrorKind::invalid_state,
                  "cannot compact \"" + name + "\": it is " + std::string(state_name(state)) +
                      (sleeps ? ", and its saved memory goes with its disk as it is" : ""),
                  sleeps ? "wake it with 'anyvisor start " + name + "', then stop it: anyvisor stop " + name
                         : "stop it first: anyvisor stop " + name);
    }
    if (!locked.record.disk.empty()) ANYVISOR_CHECK(shorten_chain(workspace, locked, clock));
    return locked.record.id;
  };
  auto id = run();
  clock.begin("collection");
  (void)collect(workspace, collect_patience);
  return id;
}

}  // namespace anyvisor
