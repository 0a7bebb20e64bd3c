// SPDX-License-Identifier: MIT
#include "instance/grow_disk.hpp"

#include "storage/disk_image_tool.hpp"

namespace anyvisor {

Result<void> grow_own_disk(const Workspace& workspace, const InstanceRecord& record, std::uint64_t size,
                           PhaseClock& clock) {
  clock.begin("disk");
  ANYVISOR_TRY(const Disk disk, workspace.disks.read(record.disk));
  if (disk.frozen) return fail(ErrorKind::internal, "disk " + disk.id + " is frozen and cannot grow");
  ANYVISOR_CHECK(grow_disk({workspace.disks.path(disk), disk.format}, size, clock.operation()));
  ANYVISOR_CHECK(workspace.disks.flush(disk));
  return describe_grown_disk(workspace, record);
}

Result<void> describe_grown_disk(const Workspace& workspace, const InstanceRecord& record) {
  if (record.disk.empty()) return {};
  ANYVISOR_TRY(Disk disk, workspace.disks.read(record.disk));
  ANYVISOR_TRY(const auto size, virtual_size_of(workspace.disks.path(disk), disk.format));
  if (size <= disk.virtual_size) return {};
  disk.virtual_size = size;
  return workspace.disks.describe(disk);
}

}  // namespace anyvisor
