// SPDX-License-Identifier: MIT
// rename: one durable write, made while nobody else can take the name.
#include "instance/identifier.hpp"
#include "instance/locked_instance.hpp"
#include "instance/operations.hpp"
#include "instance/publish.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds names_patience{10000};

}  // namespace

Result<Changed> rename(const Workspace& workspace, const std::string& instance, const std::string& name,
                       PhaseClock& clock) {
  clock.begin("check");
  ANYVISOR_CHECK(check_name(name));
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_even_deleted(workspace, instance));
  if (locked.record.name == name) return Changed{locked.record.id, true};
  ANYVISOR_TRY(const FileLock names, FileLock::acquire(workspace.home.names_lock(), FileLock::Mode::exclusive,
                                                       names_patience, "the list of names"));
  ANYVISOR_CHECK(check_name_is_free(workspace, name));
  clock.begin("record");
  locked.record.name = name;
  ANYVISOR_CHECK(write_instance(locked.folder, locked.record, "instance.rename"));
  return Changed{locked.record.id};
}

}  // namespace anyvisor
