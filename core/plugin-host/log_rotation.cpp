// SPDX-License-Identifier: MIT
#include "log_rotation.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"
#include "storage/fd.hpp"

namespace anyvisor::host {
namespace {

constexpr std::uint64_t default_limit = 10u << 20;

Result<void> copy_front(int from, int to, std::uint64_t size) {
  off_t in = 0;
  while (static_cast<std::uint64_t>(in) < size) {
    ssize_t copied = copy_file_range(from, &in, to, nullptr, size - static_cast<std::uint64_t>(in), 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied <= 0) return fail_errno("cannot copy a log", copied < 0 ? errno : EIO);
  }
  if (fsync(to) != 0) return fail_errno("cannot flush a log", errno);
  return {};
}

// Whether the file system can cut a file's front off, tried on a scratch file before anything is copied: `scratch` is
// empty.
bool can_collapse(int scratch, std::uint64_t block) {
  const auto size = static_cast<off_t>(block);
  return ftruncate(scratch, 2 * size) == 0 && fallocate(scratch, FALLOC_FL_COLLAPSE_RANGE, 0, size) == 0 &&
         ftruncate(scratch, 0) == 0;
}

}  // namespace

std::uint64_t log_limit() {
  const char* text = std::getenv("ANYVISOR_LOG_LIMIT");
  std::uint64_t limit = text ? std::strtoull(text, nullptr, 10) : 0;
  return limit > 0 ? limit : default_limit;
}

Result<void> rotate_log(const std::string& path, std::uint64_t limit, bool writer_is_gone) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) <= limit) return {};
  const std::string old = path + ".1", fresh = path + ".1.new", folder = path.substr(0, path.rfind('/'));
  DurableStep step("log.rotate");
  if (writer_is_gone) {
    if (rename(path.c_str(), old.c_str()) != 0) return fail_errno("cannot rotate \"" + path + "\"", errno);
    return sync_folder(folder);
  }
  Fd live(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct statvfs system {};
  if (!live || fstat(live.get(), &status) != 0 || fstatvfs(live.get(), &system) != 0)
    return fail_errno("cannot open \"" + path + "\"", errno);
  // The range may not reach the end of the file.
  const auto block = static_cast<std::uint64_t>(system.f_bsize), size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t front = size == 0 ? 0 : (size - 1) / block * block;
  if (front == 0) return {};
  Fd copy(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!copy) return fail_errno("cannot create \"" + fresh + "\"", errno);
  const bool possible = can_collapse(copy.get(), block);
  auto copied = possible ? copy_front(live.get(), copy.get(), front) : Result<void>();
  if (!possible || !copied) {
    (void)unlink(fresh.c_str());
    return copied;
  }
  // The name first, then the cut: a kill in between leaves the front twice, never nowhere.
  if (rename(fresh.c_str(), old.c_str()) != 0) return fail_errno("cannot rotate \"" + path + "\"", errno);
  ANYVISOR_CHECK(sync_folder(folder));
  if (fallocate(live.get(), FALLOC_FL_COLLAPSE_RANGE, 0, static_cast<off_t>(front)) != 0)
    return fail_errno("cannot shorten \"" + path + "\"", errno);
  return {};
}

}  // namespace anyvisor::host
