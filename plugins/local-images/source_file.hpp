// SPDX-License-Identifier: MIT
// A file that a person named: opened with a message of its own for each thing that can be wrong with it, and copied.
#pragma once

#include <sys/stat.h>

#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <string>

namespace local_images {

// Owns one descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

// "1.0 GiB": for messages.
std::string human_size(std::uint64_t bytes);

// A regular file that is readable and not empty.
class SourceFile {
 public:
  // `what` names it in messages ("disk", "kernel"); `field` is its place in the request. Throws Failure: not_found
  // (missing), unavailable (not readable), invalid_argument (a folder, no regular file, empty).
  SourceFile(std::string path, std::string what, std::string field);

  const std::string& path() const { return path_; }
  const std::string& what() const { return what_; }
  const std::string& field() const { return field_; }
  std::uint64_t size() const { return static_cast<std::uint64_t>(status_.st_size); }
  int fd() const { return file_.get(); }
  // "the disk "/x/y"".
  std::string described() const;
  // Reads up to `size` bytes at `offset`; less only at the end of the file. Throws Failure.
  std::size_t read(void* buffer, std::size_t size, std::uint64_t offset) const;
  // Copies into a new file `name` of `folder`, sharing the blocks where the file system can and keeping holes. Returns
  // the SHA-256 of the whole file. Throws Failure: exhausted (no space), cancelled, timeout, busy (the source changed
  // meanwhile).
  std::string copy_to(const std::string& folder, const std::string& name, const anyvisor::sdk::Context& context) const;

 private:
  std::string path_, what_, field_;
  Descriptor file_;
  struct stat status_ {};
};

}  // namespace local_images
