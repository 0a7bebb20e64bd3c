// SPDX-License-Identifier: MIT
#include "saved_memory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace anyvisor::qemu {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t piece = 4U << 20;
constexpr const char* label_begin = "anyvisor saved memory\n";
constexpr const char* phase = "memory";

[[noreturn]] void fail(const std::string& what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  sdk::Failure failure(full ? ANYVISOR_EXHAUSTED : ANYVISOR_BACKEND_FAILED,
                       "cannot save the guest's memory: " + what + ": " + std::strerror(error));
  if (full) failure.hint("free disk space, or put it into standby with --no-durable");
  throw failure;
}

std::string page_with(const std::string& label) {
  std::string text = label_begin + label + "\n";
  text.resize(page, '\0');
  return text;
}

void write_at(int file, const char* bytes, std::size_t count, off_t at) {
  while (count > 0) {
    const ssize_t written = ::pwrite(file, bytes, count, at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", errno);
    bytes += written;
    at += written;
    count -= static_cast<std::size_t>(written);
  }
}

struct Extent {
  off_t begin, end;
};

// What of the memfd was ever touched.
std::vector<Extent> touched_extents(int memory, off_t size) {
  std::vector<Extent> extents;
  for (off_t at = 0; at < size;) {
    const off_t begin = ::lseek(memory, at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;
    if (begin < 0) fail("look for data", errno);
    const off_t end = std::min<off_t>(size, ::lseek(memory, begin, SEEK_HOLE));
    if (end < begin) fail("look for holes", errno);
    extents.push_back({begin, end});
    at = end;
  }
  return extents;
}

void copy_touched(const sdk::Context& context, int memory, int file, off_t size) {
  const auto extents = touched_extents(memory, size);
  std::uint64_t total = 0, done = 0;
  for (const auto& extent : extents) total += static_cast<std::uint64_t>(extent.end - extent.begin);
  std::vector<char> buffer(piece);
  for (const auto& extent : extents)
    for (off_t at = extent.begin; at < extent.end;) {
      context.check();
      const auto wanted = std::min<std::size_t>(piece, static_cast<std::size_t>(extent.end - at));
      const ssize_t got = ::pread(memory, buffer.data(), wanted, at);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail("read", got < 0 ? errno : EIO);
      write_at(file, buffer.data(), static_cast<std::size_t>(got), at);
      // The disk begins at once, while the next piece is copied: half the time of a flush that begins at the end
      // (docs/standby.md). A hint: what it cannot do, and every error, is the fsync's.
      (void)::sync_file_range(file, at, got, SYNC_FILE_RANGE_WRITE);
      at += got;
      done += static_cast<std::uint64_t>(got);
      context.progress(phase, done, total);
    }
}

void sync(int file) {
  if (::fsync(file) != 0) fail("flush", errno);
}

bool is_memfd(int memory) {
  // A memfd knows seals; a file on a disk answers EINVAL.
  return ::fcntl(memory, F_GET_SEALS) >= 0;
}

void copy_into(const sdk::Context& context, int memory, off_t size, const std::string& label, int folder) {
  const std::string temporary = std::string(saved_memory_name) + ".new";
  (void)::unlinkat(folder, temporary.c_str(), 0);
  const Descriptor file(::openat(folder, temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) fail("create its file", errno);
  try {
    // All of it, before anything is copied: once the machine runs on this file, a hole without space is a SIGBUS.
    if (const int error = ::posix_fallocate(file.get(), 0, size + static_cast<off_t>(page)); error != 0)
      fail("room for it", error);
    copy_touched(context, memory, file.get(), size);
    write_at(file.get(), page_with(label).data(), page, size);
    sync(file.get());
    if (::renameat(folder, temporary.c_str(), folder, saved_memory_name) != 0) fail("rename its file", errno);
  } catch (...) {
    (void)::unlinkat(folder, temporary.c_str(), 0);
    throw;
  }
}

void give_name(int memory, int folder) {
  struct stat mine {
  }, named{};
  if (::fstat(memory, &mine) != 0) fail("look at its file", errno);
  if (::fstatat(folder, saved_memory_name, &named, AT_SYMLINK_NOFOLLOW) == 0) {
    if (named.st_ino == mine.st_ino && named.st_dev == mine.st_dev) return;
    if (::unlinkat(folder, saved_memory_name, 0) != 0) fail("remove an older file", errno);
  }
  const std::string own = "/proc/self/fd/" + std::to_string(memory);
  if (::linkat(AT_FDCWD, own.c_str(), folder, saved_memory_name, AT_SYMLINK_FOLLOW) != 0)
    fail("give its file a name", errno);
}

}  // namespace

void make_memory_durable(const sdk::Context& context, int memory, std::uint64_t size, const std::string& folder,
                         const std::string& label) {
  const auto length = static_cast<off_t>(size);
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) fail("open " + folder, errno);
  if (is_memfd(memory)) {
    copy_into(context, memory, length, label, directory.get());
  } else {
    context.check();
    write_at(memory, page_with(label).data(), page, length);
    sync(memory);
    give_name(memory, directory.get());
  }
  sync(directory.get());
}

Descriptor open_saved_memory(const std::string& folder, std::uint64_t size, const std::string& label) {
  const std::string path = folder + "/" + saved_memory_name;
  auto refuse = [&](const std::string& why) -> sdk::Failure {
    return {ANYVISOR_CORRUPTED, "the saved memory cannot be used: " + path + " " + why};
  };
  Descriptor memory(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!memory && errno == ENOENT) throw refuse("is missing");
  if (!memory) throw refuse(std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status {};
  if (::fstat(memory.get(), &status) != 0) throw refuse(std::strerror(errno));
  if (static_cast<std::uint64_t>(status.st_size) != size + page)
    throw refuse("has " + std::to_string(status.st_size) + " bytes, and " + std::to_string(size + page) +
                 " are needed");
  std::string found(page, '\0');
  if (::pread(memory.get(), found.data(), page, static_cast<off_t>(size)) != static_cast<ssize_t>(page))
    throw refuse("cannot be read");
  if (!found.starts_with(label_begin)) throw refuse("is no saved memory");
  if (found != page_with(label)) throw refuse("belongs to another machine, or to another moment of this one");
  return memory;
}

}  // namespace anyvisor::qemu
