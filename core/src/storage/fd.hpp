// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "anyvisor/result.hpp"

namespace anyvisor {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// Opens a folder (O_DIRECTORY | O_CLOEXEC). Errors as fail_errno.
Result<Fd> open_folder(const std::string& path);
// A new file (mode 0600), for writing. Errors as fail_errno.
Result<Fd> create_file(const std::string& path);
// All of `text`, through EINTR and short writes.
Result<void> write_all(int fd, std::string_view text);
// All of `bytes` at `offset`, likewise; `path` is for the message. Errors as fail_errno.
Result<void> write_all_at(int fd, std::string_view bytes, std::uint64_t offset, const std::string& path);
// Has the kernel begin to write a file to its disk, without waiting: several that are flushed afterwards then take the
// time of one. Where a file system cannot, the flush does it all.
void begin_writeback(int fd);
// fsync, through EINTR. `path` is for the message. Errors as fail_errno.
Result<void> flush(int fd, const std::string& path);
// A whole file of at most `limit` bytes. Errors: not_found, exhausted (larger), as fail_errno.
Result<std::string> read_file(const std::string& path, std::size_t limit = 4u << 20);

}  // namespace anyvisor
