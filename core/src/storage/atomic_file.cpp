// SPDX-License-Identifier: MIT
#include "storage/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "storage/durable_step.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A new file of a name that nothing else uses; `name` is set to it.
Result<Fd> open_temporary(int folder, const std::string& target, std::string& name, const std::string& shown) {
  static std::atomic<unsigned> counter{0};
  while (true) {
    name = "." + target + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".tmp";
    Fd fd(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd) return fd;
    // Left by a killed process that had our pid: take the next name.
    if (errno != EEXIST && errno != EINTR) return fail_errno("cannot write \"" + shown + "\"", errno);
  }
}

}  // namespace

Result<void> write_file_atomically(const std::string& folder, const std::string& name, std::string_view text,
                                   const char* step) {
  const std::string shown = folder + "/" + name;
  DurableStep durable(step);
  ANYVISOR_TRY(Fd folder_fd, open_folder(folder));
  std::string temporary;
  ANYVISOR_TRY(Fd file, open_temporary(folder_fd.get(), name, temporary, shown));
  const auto undo = [&](tl::unexpected<Error> error) -> Result<void> {
    ::unlinkat(folder_fd.get(), temporary.c_str(), 0);
    return error;
  };
  if (auto written = write_all(file.get(), text); !written)
    return undo(in_context("\"" + shown + "\"", std::move(written).error()));
  if (auto synced = flush(file.get(), shown); !synced) return undo(tl::unexpected<Error>(std::move(synced).error()));
  file.reset();
  if (::renameat(folder_fd.get(), temporary.c_str(), folder_fd.get(), name.c_str()) != 0)
    return undo(fail_errno("cannot replace \"" + shown + "\"", errno));
  return flush(folder_fd.get(), folder);
}

Result<void> remove_file_durably(const std::string& folder, const std::string& name, const char* step) {
  const std::string shown = folder + "/" + name;
  DurableStep durable(step);
  Fd folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_fd) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot open folder \"" + folder + "\"", errno);
  }
  if (::unlinkat(folder_fd.get(), name.c_str(), 0) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot remove \"" + shown + "\"", errno);
  }
  return flush(folder_fd.get(), folder);
}

Result<void> rename_durably(const std::string& from, const std::string& to, const char* step) {
  DurableStep durable(step);
  const std::string source = folder_of(from), target = folder_of(to);
  ANYVISOR_TRY(Fd source_fd, open_folder(source));
  ANYVISOR_TRY(Fd target_fd, open_folder(target));
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0)
    return fail_errno("cannot rename \"" + from + "\" to \"" + to + "\"", errno);
  // The new name first: after a crash in between there are two names rather than none.
  ANYVISOR_CHECK(flush(target_fd.get(), target));
  if (source != target) ANYVISOR_CHECK(flush(source_fd.get(), source));
  return {};
}

Result<void> flush_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return fail_errno("cannot open \"" + path + "\"", errno);
  return flush(file.get(), path);
}

Result<void> sync_folder(const std::string& path) {
  ANYVISOR_TRY(Fd fd, open_folder(path));
  return flush(fd.get(), path);
}

}  // namespace anyvisor
