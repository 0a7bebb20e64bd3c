// SPDX-License-Identifier: MIT
// One line on a terminal's stderr while an operation goes on: a spinner that names the phase, or a bar with a rate for
// bytes. Drawn after a moment only, so that what is quick leaves no flicker; erased at the end. Elsewhere nothing is
// printed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace anyvisor::cli {

class Progress {
 public:
  // `title`: what goes on ("launching brisk-otter"). Not `enabled`, or stderr is no terminal: does nothing.
  Progress(std::string title, bool enabled);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // [any thread] As Operation::progress gets it.
  void update(const std::string& phase, std::uint64_t done, std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  void draw_until_ended();
  std::string line(unsigned frame) const;  // mutex_ is held

  const std::string title_;
  const Clock::time_point begin_ = Clock::now();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::string phase_;
  Clock::time_point phase_begin_ = begin_;
  std::uint64_t done_ = 0, total_ = 0;
  std::thread painter_;
};

}  // namespace anyvisor::cli
