// SPDX-License-Identifier: MIT
#include "clone/own_file.hpp"

#include "instance/identifier.hpp"
#include "storage/disk_image_tool.hpp"
#include "storage/durable_step.hpp"
#include "storage/reflink.hpp"

namespace anyvisor {
namespace {

DiskFile file_of(const Workspace& workspace, const Disk& disk) {
  return {workspace.disks.path(disk), disk.format};
}

Result<void> reflink_disk(const Workspace& workspace, const Disk& from, const Disk& to) {
  ANYVISOR_CHECK(workspace.disks.describe(to));
  DurableStep step("disk.reflink");
  return reflink_file(workspace.disks.path(from), workspace.disks.path(to));
}

// Brings the size that the clone is to have, and the file to the disk.
Result<Disk> complete(const Workspace& workspace, Disk disk, std::uint64_t had, Operation& operation) {
  if (disk.virtual_size > had) ANYVISOR_CHECK(grow_disk(file_of(workspace, disk), disk.virtual_size, operation));
  ANYVISOR_CHECK(workspace.disks.flush(disk));
  return disk;
}

Result<Disk> copy(const Workspace& workspace, const OwnFileTask& task, const std::string& format, PhaseClock& clock) {
  clock.begin("copy");
  Disk from = task.source;
  if (task.slots) {
    ANYVISOR_TRY(from, workspace.disks.read(task.slots->generalized));
  }
  ANYVISOR_TRY(const auto needed, measure_content(file_of(workspace, from), clock.operation()));
  ANYVISOR_CHECK(check_space(workspace.home.disks(), needed, "copy the disk"));
  const Disk disk{task.id, format, task.size, "", false, task.origin, ""};
  ANYVISOR_CHECK(workspace.disks.describe(disk));
  {
    DurableStep step("disk.copy");
    ANYVISOR_CHECK(copy_content(file_of(workspace, from), file_of(workspace, disk), needed, clock.operation()));
  }
  return complete(workspace, disk, from.virtual_size, clock.operation());
}

// What was generalised goes into the reflink by way of a reflink of the overlay that holds it.
Result<void> merge_generalized(const Workspace& workspace, const std::string& generalized, const Disk& disk,
                               Operation& operation) {
  ANYVISOR_TRY(const Disk from, workspace.disks.read(generalized));
  const Disk twin{new_id(), from.format, from.virtual_size, disk.id, false, "for disk " + disk.id, ""};
  const auto merge = [&]() -> Result<void> {
    ANYVISOR_CHECK(reflink_disk(workspace, from, twin));
    DurableStep step("disk.merge");
    return merge_into(workspace.disks.path(twin), file_of(workspace, disk), operation);
  };
  auto merged = merge();
  ANYVISOR_CHECK(workspace.disks.remove(twin.id));
  return merged;
}

Result<Disk> reflink(const Workspace& workspace, const OwnFileTask& task, PhaseClock& clock) {
  clock.begin("reflink");
  const Disk disk{task.id, task.source.format, task.size, task.source.backing, false, task.origin, ""};
  ANYVISOR_CHECK(reflink_disk(workspace, task.source, disk));
  std::uint64_t had = task.source.virtual_size;
  if (task.slots) {
    ANYVISOR_CHECK(merge_generalized(workspace, task.slots->generalized, disk, clock.operation()));
    ANYVISOR_TRY(const Disk generalized, workspace.disks.read(task.slots->generalized));
    had = generalized.virtual_size;
  }
  return complete(workspace, disk, had, clock.operation());
}

}  // namespace

Result<Disk> make_own_file(const Workspace& workspace, const OwnFileTask& task, ChosenStrategy& chosen,
                           PhaseClock& clock) {
  if (chosen.strategy == CloneStrategy::reflink) {
    auto disk = reflink(workspace, task, clock);
    if (disk) return disk;
    (void)workspace.disks.remove(task.id);
    if (disk.error().kind != ErrorKind::unsupported || !chosen.copy_instead) return disk;
    chosen.strategy = CloneStrategy::copy;
    chosen.reason += ", and " + disk.error().message;
  }
  auto disk = copy(workspace, task, chosen.format, clock);
  if (!disk) (void)workspace.disks.remove(task.id);
  return disk;
}

Result<void> write_slots(const std::string& path, const std::string& format, const std::vector<Slot>& slots,
                         const std::map<std::string, std::string>& values) {
  DurableStep step("disk.write-slots");
  for (const auto& slot : slots) {
    ANYVISOR_TRY(const std::string content, content_of(slot, values));
    ANYVISOR_CHECK(overwrite_in_place(path, format, slot.position, content));
  }
  return {};
}

}  // namespace anyvisor
