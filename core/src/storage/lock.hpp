// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "storage/fd.hpp"

namespace anyvisor {

// An OFD lock (F_OFD_SETLK) on a file, held until destruction. The descriptor is O_CLOEXEC: no child inherits it.
class FileLock {
 public:
  enum class Mode { shared, exclusive };

  // Creates the file (0600) when it is not there. Tries for up to `patience`, then `busy` with the message
  // "<what> is in use by another process". After getting the lock it makes sure that `path` still is the locked file
  // (it may have been renamed or removed meanwhile: then not_found). `create` false: a missing file is not_found.
  static Result<FileLock> acquire(const std::string& path, Mode mode, std::chrono::milliseconds patience,
                                  std::string_view what, bool create = true);
  // Is it free now? True too when the file is missing. Takes nothing.
  static bool is_free(const std::string& path);

  int fd() const { return fd_.get(); }
  // Lets go of it now.
  void release() { fd_.reset(); }

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace anyvisor
