// SPDX-License-Identifier: MIT
// Ctrl-C: the first one cancels the operation, which then cleans up after itself; the second one ends the program.
#pragma once

namespace anyvisor::cli {

// While it exists, SIGINT, SIGTERM and SIGHUP make cancel_fd() readable. One at a time.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  int cancel_fd() const;
};

// The signal that came in any Interruptible of this process, or 0.
int interrupted_by();

}  // namespace anyvisor::cli
