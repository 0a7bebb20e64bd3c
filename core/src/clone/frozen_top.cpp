// SPDX-License-Identifier: MIT
#include "clone/frozen_top.hpp"

#include "instance/identifier.hpp"

namespace anyvisor {

Result<FrozenTop> freeze_top(const Workspace& workspace, LockedInstance& source) {
  ANYVISOR_TRY(Disk top, workspace.disks.read(source.record.disk));
  if (!top.frozen && top.format == "qcow2" && !top.backing.empty()) {
    ANYVISOR_TRY(bool unchanged, overlay_is_empty(workspace.disks.path(top)));
    if (unchanged) {
      ANYVISOR_TRY(Disk below, workspace.disks.read(top.backing));
      ANYVISOR_CHECK(workspace.disks.freeze(below));
      return FrozenTop{std::move(below), top.virtual_size, was_stopped, {}};
    }
  }
  // The order: the new overlay is nobody's until instance.json names it, and the old top is frozen only when the source
  // has left it.
  const std::uint64_t size = top.virtual_size;
  if (!top.frozen) {
    ANYVISOR_TRY(Disk overlay, workspace.disks.create_overlay(new_id(), top, size, "instance " + source.record.id));
    InstanceRecord record = source.record;
    record.disk = overlay.id;
    ANYVISOR_CHECK(write_instance(source.folder, record, "clone.freeze"));
    source.record = std::move(record);
    ANYVISOR_CHECK(workspace.disks.freeze(top));
  }
  return FrozenTop{std::move(top), size, was_stopped, {}};
}

}  // namespace anyvisor
