// SPDX-License-Identifier: MIT
#include "instance/staged_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor {
namespace {

Result<Fd> copy_file(const std::string& from, const std::string& to) {
  Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) return fail_errno("cannot read \"" + from + "\"", errno);
  ANYVISOR_TRY(Fd target, create_file(to));
  for (;;) {
    constexpr std::size_t piece = 64u << 20;
    ssize_t copied = copy_file_range(source.get(), nullptr, target.get(), nullptr, piece, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return fail_errno("cannot copy \"" + from + "\"", errno);
    if (copied == 0) break;
  }
  begin_writeback(target.get());
  return target;
}

}  // namespace

Result<StagedFolder> StagedFolder::make(const Workspace& workspace, const std::string& id) {
  ANYVISOR_TRY(FileLock hold, workspace.disks.hold());
  std::string path = workspace.home.staging(id);
  {
    // Not flushed: after a power loss it is not there, or garbage. Either will do.
    DurableStep step("staging.make");
    if (mkdir(path.c_str(), 0700) != 0) return fail_errno("cannot create \"" + path + "\"", errno);
  }
  auto lock = FileLock::acquire(path + "/lock", FileLock::Mode::exclusive, std::chrono::milliseconds(0), path);
  if (!lock) {
    (void)remove_tree_durably(path, "staging.remove");
    return tl::unexpected(std::move(lock).error());
  }
  return StagedFolder(std::move(path), std::move(hold), std::move(*lock));
}

Result<void> StagedFolder::write(const std::string& name, std::string_view text) {
  DurableStep step("staging.write");
  ANYVISOR_TRY(Fd fd, create_file(path_ + "/" + name));
  if (auto written = write_all(fd.get(), text); !written)
    return in_context("\"" + path_ + "/" + name + "\"", std::move(written).error());
  begin_writeback(fd.get());
  unflushed_.emplace_back(path_ + "/" + name, std::move(fd));
  return {};
}

Result<void> StagedFolder::flush_written() {
  if (unflushed_.empty()) return {};
  DurableStep step("staging.flush-written");
  for (const auto& [path, fd] : unflushed_) ANYVISOR_CHECK(anyvisor::flush(fd.get(), path));
  unflushed_.clear();
  return {};
}

Result<void> StagedFolder::flush(const std::string& name) {
  DurableStep step("staging.flush-file");
  return flush_file(path_ + "/" + name);
}

Result<void> StagedFolder::link_or_copy(const std::string& from, const std::string& name) {
  DurableStep step("staging.link");
  std::string to = path_ + "/" + name;
  if (link(from.c_str(), to.c_str()) == 0) return {};
  if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOSYS) return take_copy(from, name);
  return fail_errno("cannot link \"" + from + "\"", errno);
}

Result<void> StagedFolder::copy(const std::string& from, const std::string& name) {
  DurableStep step("staging.copy");
  return take_copy(from, name);
}

Result<void> StagedFolder::take_copy(const std::string& from, const std::string& name) {
  std::string to = path_ + "/" + name;
  ANYVISOR_TRY(Fd file, copy_file(from, to));
  unflushed_.emplace_back(std::move(to), std::move(file));
  return {};
}

Result<FileLock> StagedFolder::publish(const std::string& to) {
  ANYVISOR_CHECK(flush_written());
  {
    DurableStep step("staging.flush");
    ANYVISOR_CHECK(sync_folder(path_));
  }
  ANYVISOR_CHECK(rename_durably(path_, to, "instance.publish"));
  return std::move(lock_);
}

Result<void> StagedFolder::discard() {
  return remove_tree_durably(path_, "staging.remove");
}

}  // namespace anyvisor
