// SPDX-License-Identifier: MIT
#include "source_file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "sha256.hpp"

namespace local_images {

using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;

namespace {

constexpr std::size_t chunk = 1U << 20;
constexpr std::size_t zero_block = 64U << 10;  // runs of zeros of this size become holes
constexpr std::uint64_t progress_step = 8U << 20;

Failure system_failure(const std::string& what, int error) {
  anyvisor_status status = ANYVISOR_INTERNAL;
  if (error == EACCES || error == EPERM || error == EROFS || error == EIO) status = ANYVISOR_UNAVAILABLE;
  if (error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE || error == EFBIG)
    status = ANYVISOR_EXHAUSTED;
  if (error == ELOOP || error == ENAMETOOLONG) status = ANYVISOR_INVALID_ARGUMENT;
  return {status, what + ": " + std::strerror(error)};
}

int open_source(const std::string& path, const std::string& what, const std::string& field) {
  // O_NONBLOCK: a FIFO must not hold us.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0) return fd;
  int error = errno;
  std::string subject = "the " + what + " \"" + path + "\" ";
  if (error == ENOENT || error == ENOTDIR) throw Failure(ANYVISOR_NOT_FOUND, subject + "does not exist").field(field);
  if (error == EACCES || error == EPERM)
    throw Failure(ANYVISOR_UNAVAILABLE, subject + "is not readable for this user")
        .field(field)
        .hint("look at its owner and mode with: ls -l \"" + path + "\"");
  throw system_failure(subject + "cannot be opened", error).field(field);
}

bool all_zero(const char* bytes, std::size_t size) {
  return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

// Where the next data begins at or after `offset`, or `end`. File systems without holes answer `offset` itself.
std::uint64_t next_data(int fd, std::uint64_t offset, std::uint64_t end) {
  off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? end : offset;
  return std::min(static_cast<std::uint64_t>(data), end);
}

void check_space(const std::string& folder, const SourceFile& source, std::uint64_t needed) {
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) return;
  std::uint64_t available = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  if (needed > available)
    throw Failure(ANYVISOR_EXHAUSTED, source.described() + " needs " + human_size(needed) + " and only " +
                                          human_size(available) + " are free where images are kept")
        .hint("free some space, or use another home folder (--home)");
}

void write_at(int fd, const char* bytes, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    ssize_t written = ::pwrite(fd, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw system_failure("cannot write the copy", errno);
    bytes += written;
    size -= static_cast<std::size_t>(written);
    offset += static_cast<std::uint64_t>(written);
  }
}

void write_data(int fd, const char* bytes, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const std::size_t block = std::min(size, zero_block);
    if (!all_zero(bytes, block)) write_at(fd, bytes, block, offset);
    bytes += block;
    size -= block;
    offset += block;
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string human_size(std::uint64_t bytes) {
  static constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) value /= 1024, ++unit;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, units[unit]);
  return text.data();
}

SourceFile::SourceFile(std::string path, std::string what, std::string field)
    : path_(std::move(path)),
      what_(std::move(what)),
      field_(std::move(field)),
      file_(open_source(path_, what_, field_)) {
  if (::fstat(file_.get(), &status_) != 0)
    throw system_failure(described() + " cannot be examined", errno).field(field_);
  auto refuse = [&](const std::string& why) {
    return Failure(ANYVISOR_INVALID_ARGUMENT, described() + " " + why).field(field_);
  };
  if (S_ISDIR(status_.st_mode)) throw refuse("is a folder, not a file");
  if (S_ISBLK(status_.st_mode))
    throw refuse("is a block device, not a file")
        .hint("copy it to a file first, with: qemu-img convert -O qcow2 DEVICE FILE");
  if (!S_ISREG(status_.st_mode)) throw refuse("is no regular file");
  if (status_.st_size == 0) throw refuse("is empty");
}

std::string SourceFile::described() const {
  return "the " + what_ + " \"" + path_ + "\"";
}

std::size_t SourceFile::read(void* buffer, std::size_t size, std::uint64_t offset) const {
  std::size_t got = 0;
  while (got < size) {
    ssize_t n = ::pread(fd(), static_cast<char*>(buffer) + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_failure(described() + " cannot be read", errno).field(field_);
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return got;
}

std::string SourceFile::copy_to(const std::string& folder, const std::string& name, const Context& context) const {
  const std::string target = folder + "/" + name;
  Descriptor copy(::open(target.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (copy.get() < 0) throw system_failure("cannot create \"" + target + "\"", errno);
  const bool shared = ::ioctl(copy.get(), FICLONE, fd()) == 0;
  if (!shared) {
    check_space(folder, *this, std::min(size(), static_cast<std::uint64_t>(status_.st_blocks) * 512));
    if (::ftruncate(copy.get(), static_cast<off_t>(size())) != 0)
      throw system_failure("cannot create \"" + target + "\"", errno);
  }
  const std::string phase = (shared ? "checking the " : "copying the ") + what_;
  const std::vector<char> zeros(chunk, 0);
  std::vector<char> buffer(chunk);
  Sha256 digest;
  std::uint64_t offset = 0, data = 0, reported = 0;
  context.progress(phase.c_str(), 0, size());
  while (offset < size()) {
    context.check();
    if (data <= offset) data = next_data(fd(), offset, size());
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk, (data > offset ? data : size()) - offset));
    if (data > offset) {
      digest.update(zeros.data(), wanted);
    } else {
      if (read(buffer.data(), wanted, offset) < wanted)
        throw Failure(ANYVISOR_BUSY, described() + " became shorter while it was copied")
            .field(field_)
            .hint("wait until nothing writes to it, then repeat");
      digest.update(buffer.data(), wanted);
      if (!shared) write_data(copy.get(), buffer.data(), wanted, offset);
    }
    offset += wanted;
    if (offset - reported >= progress_step || offset == size()) {
      context.progress(phase.c_str(), offset, size());
      reported = offset;
    }
  }
  struct stat now {};
  if (::fstat(fd(), &now) != 0 || now.st_size != status_.st_size || now.st_mtim.tv_sec != status_.st_mtim.tv_sec ||
      now.st_mtim.tv_nsec != status_.st_mtim.tv_nsec)
    throw Failure(ANYVISOR_BUSY, described() + " was changed while it was copied")
        .field(field_)
        .hint("wait until nothing writes to it, then repeat");
  return digest.hex();
}

}  // namespace local_images
