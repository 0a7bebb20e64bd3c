// SPDX-License-Identifier: MIT
#include "storage/lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace anyvisor {

namespace {

struct flock whole_file(short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  return range;  // l_start, l_len, l_pid 0: the whole file, as OFD locks want it
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::string& path, Mode mode, std::chrono::milliseconds patience,
                                   std::string_view what, bool create) {
  using namespace std::chrono;
  const std::string subject(what);
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600));
  if (!fd) {
    if (errno == ENOENT) return fail(ErrorKind::not_found, subject + " does not exist");
    return fail_errno("cannot lock " + subject + " (\"" + path + "\")", errno);
  }
  const auto give_up = steady_clock::now() + std::min<milliseconds>(patience, hours(24 * 365));
  auto wait = milliseconds(1);
  while (true) {
    auto range = whole_file(mode == Mode::shared ? F_RDLCK : F_WRLCK);
    if (::fcntl(fd.get(), F_OFD_SETLK, &range) == 0) break;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EACCES) return fail_errno("cannot lock " + subject + " (\"" + path + "\")", errno);
    const nanoseconds left = give_up - steady_clock::now();
    if (left <= nanoseconds::zero()) {
      auto busy = fail(ErrorKind::busy, subject + " is in use by another process",
                       "wait until the other command has ended and try again");
      busy.value().retry = true;
      return busy;
    }
    std::this_thread::sleep_for(std::min<nanoseconds>(wait, left));
    wait = std::min(wait * 2, milliseconds(20));
  }
  // Whoever held it may have renamed the folder away or removed it: then what we hold guards nothing.
  struct stat held {
  }, named{};
  if (::fstat(fd.get(), &held) != 0) return fail_errno("cannot lock " + subject, errno);
  if (::stat(path.c_str(), &named) != 0) {
    if (errno == ENOENT) return fail(ErrorKind::not_found, subject + " does not exist any more");
    return fail_errno("cannot lock " + subject + " (\"" + path + "\")", errno);
  }
  if (held.st_dev != named.st_dev || held.st_ino != named.st_ino)
    return fail(ErrorKind::not_found, subject + " does not exist any more");
  return FileLock(std::move(fd));
}

bool FileLock::is_free(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return errno == ENOENT;
  auto range = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_OFD_GETLK, &range) != 0) return false;
  return range.l_type == F_UNLCK;
}

}  // namespace anyvisor
