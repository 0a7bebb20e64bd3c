// SPDX-License-Identifier: MIT
// QEMU by hand, with the guest of tests/guests/pages.c: what peers do to save and restore a machine.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restore/pages_guest.hpp"

namespace anyvisor::bench {

// One process; ended when it goes. Functions throw std::runtime_error.
class PlainQemu {
 public:
  // `folder` is for its sockets, disk and logs; `more`: further arguments.
  PlainQemu(const std::string& guest, const std::string& folder, const Size& size,
            const std::vector<std::string>& more = {});
  ~PlainQemu();
  PlainQemu(const PlainQemu&) = delete;
  PlainQemu& operator=(const PlainQemu&) = delete;

  std::chrono::steady_clock::time_point started() const { return started_; }
  // When the guest's first line since the start was seen.
  std::chrono::steady_clock::time_point first_line();
  LineSocket& console();
  // A command of the human monitor. Returns what it prints.
  std::string monitor(const std::string& command);
  void end();

 private:
  const std::string folder_;
  std::chrono::steady_clock::time_point started_;
  pid_t process_ = -1;
  std::optional<LineSocket> console_, monitor_;
};

}  // namespace anyvisor::bench
