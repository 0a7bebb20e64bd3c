// SPDX-License-Identifier: MIT
#include "storage/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace anyvisor {

void Fd::reset() {
  if (fd_ < 0) return;
  const int saved = errno;  // often closed on the way to reporting another failure
  ::close(std::exchange(fd_, -1));
  errno = saved;
}

Result<Fd> open_folder(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open folder \"" + path + "\"", errno);
  return fd;
}

Result<Fd> create_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("cannot create \"" + path + "\"", errno);
  return fd;
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_errno("cannot write", errno);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> write_all_at(int fd, std::string_view bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("cannot write \"" + path + "\"", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

void begin_writeback(int fd) {
  (void)::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

Result<void> flush(int fd, const std::string& path) {
  while (::fsync(fd) != 0)
    if (errno != EINTR) return fail_errno("cannot write \"" + path + "\" to the disk", errno);
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  // O_NONBLOCK: a FIFO in the file's place must not hang us.
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno("cannot open \"" + path + "\"", errno);
  std::string text;
  std::size_t size = 0;
  while (true) {
    if (size == text.size()) text.resize(size < 4096 ? 4096 : size * 2);
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno("cannot read \"" + path + "\"", errno);
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > limit)
      return fail(ErrorKind::exhausted,
                  "cannot read \"" + path + "\": it is larger than " + std::to_string(limit) + " bytes");
  }
  text.resize(size);
  return text;
}

}  // namespace anyvisor
