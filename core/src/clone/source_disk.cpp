// SPDX-License-Identifier: MIT
#include "clone/source_disk.hpp"

#include "clone/compact.hpp"
#include "clone/live_top.hpp"
#include "host/ask_plugin.hpp"

namespace anyvisor {
namespace {

Result<std::vector<std::string>> backend_formats(const Workspace& workspace, const std::string& backend,
                                                 Operation& operation) {
  constexpr std::chrono::milliseconds limit{60000};  // it may try an accelerator out
  ANYVISOR_TRY(const auto plugin, workspace.plugins.find(backend, "backend"));
  ANYVISOR_TRY(const auto report, ask_plugin(workspace.plugin_host, plugin, "backend.capabilities", json::make_object(),
                                             limit, operation, workspace.home.path()));
  return json::strings_or_empty(report, "disk_formats");
}

// What the earlier clone stands on, while the source still stands on it too.
std::optional<FrozenTop> moment_of(const Workspace& workspace, const std::string& clone,
                                   const std::vector<Disk>& chain) {
  if (clone.empty()) return std::nullopt;
  const auto record = read_instance(workspace.home.instance(clone));
  if (!record) return std::nullopt;
  for (const auto& disk : chain)
    if (disk.frozen && disk.id == record->clone_base)
      return FrozenTop{disk, chain.front().virtual_size, record->clone_consistency, record->clone_consistency_reason};
  return std::nullopt;
}

// Whether a top that a VMM writes to is empty cannot be seen in its file: it counts.
Result<SourceDisk> take_live_disk(const Workspace& workspace, LockedInstance& source, ChosenStrategy chosen,
                                  const CloneRequest& request, PhaseClock& clock) {
  const std::string& name = source.record.name;
  if (!chosen.overlays)
    return fail(ErrorKind::unsupported,
                "cannot clone \"" + name + "\" while it runs: its backend takes no disks that stand on others",
                "stop it first: anyvisor stop " + name);
  ANYVISOR_TRY(const auto chain, workspace.disks.chain(source.record.disk));
  if (auto earlier = moment_of(workspace, request.same_moment_as, chain))
    return SourceDisk{std::move(*earlier), std::move(chosen), false};
  if (chain.size() + 1 + (request.identity == CloneIdentity::full ? 1 : 0) > longest_chain)
    return fail(ErrorKind::exhausted,
                "cannot clone \"" + name + "\" while it runs: its disk stands on " + std::to_string(chain.size() - 1) +
                    " others already",
                "stop it; a clone then merges them, and so does 'anyvisor compact " + name + "'");
  ANYVISOR_TRY(FrozenTop frozen, freeze_live_top(workspace, source, clock));
  return SourceDisk{std::move(frozen), std::move(chosen), false};
}

// The guest had not written all that it holds in memory, and the clone does not get that memory.
void say_asleep(FrozenTop& top) {
  top.consistency = crash_consistent;
  top.consistency_reason =
      "its source is in Standby: what the saved memory holds is not in the clone, which boots afresh";
}

}  // namespace

Result<SourceDisk> take_source_disk(const Workspace& workspace, LockedInstance& source, State state,
                                    const CloneRequest& request, PhaseClock& clock) {
  ANYVISOR_TRY(Disk top, workspace.disks.read(source.record.disk));
  if (request.disk != 0 && request.disk < top.virtual_size)
    return fail(ErrorKind::invalid_argument,
                "a disk of " + std::to_string(request.disk) + " bytes is smaller than the source's (" +
                    std::to_string(top.virtual_size) + ")",
                "leave --disk out, or give more", "/disk");
  ANYVISOR_TRY(ChosenStrategy chosen, choose_strategy(request.strategy, top.format, [&] {
                 return backend_formats(workspace, source.record.backend, clock.operation());
               }));
  const bool sleeps = state == State::standby;
  if (state != State::stopped && !sleeps) return take_live_disk(workspace, source, std::move(chosen), request, clock);
  if (!chosen.overlays) {
    const std::uint64_t size = top.virtual_size;
    FrozenTop as_it_is{std::move(top), size, was_stopped, {}};
    if (sleeps) say_asleep(as_it_is);
    return SourceDisk{std::move(as_it_is), std::move(chosen), false};
  }
  ANYVISOR_TRY(const bool too_long,
               clone_is_too_long(workspace, source.record, request.identity == CloneIdentity::full));
  if (too_long && sleeps)
    return fail(ErrorKind::exhausted,
                "cannot clone \"" + source.record.name +
                    "\" while it is in Standby: its disk stands on too many others, " +
                    "and its saved memory goes with the disk as it is",
                "wake it with 'anyvisor start " + source.record.name + "' and stop it; a clone then merges them");
  if (too_long) {
    clock.note("merged the disks of the source first: no machine stands on more than " + std::to_string(longest_chain) +
               " disks");
    ANYVISOR_CHECK(shorten_chain(workspace, source, clock));
  }
  clock.begin("freeze");
  // Of one that sleeps too: its guest finds the same on the new overlay (standby/checks.cpp).
  ANYVISOR_TRY(FrozenTop frozen, freeze_top(workspace, source));
  if (sleeps) say_asleep(frozen);
  return SourceDisk{std::move(frozen), std::move(chosen), too_long};
}

}  // namespace anyvisor
