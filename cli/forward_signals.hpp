// SPDX-License-Identifier: MIT
// For commands that run something elsewhere: the signals that this program gets are meant for that.
#pragma once

namespace anyvisor::cli {

// While it exists, the numbers of SIGINT, SIGTERM, SIGHUP and SIGQUIT can be read from fd(), one byte each. One at a
// time, and not together with Interruptible.
class ForwardSignals {
 public:
  ForwardSignals();
  ~ForwardSignals();
  ForwardSignals(const ForwardSignals&) = delete;
  ForwardSignals& operator=(const ForwardSignals&) = delete;
  int fd() const;
};

}  // namespace anyvisor::cli
