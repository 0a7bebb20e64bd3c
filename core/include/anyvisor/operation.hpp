// SPDX-License-Identifier: MIT
// What goes with every long call: cancellation, progress, and the phases that it went through.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace anyvisor {

// One named part of an operation, with its time.
struct Phase {
  std::string name;                    // a short lower-case noun phrase: "network", "VMM start"
  std::chrono::microseconds start{0};  // since the operation began
  std::chrono::microseconds duration{0};
};

// Passed by the caller into an operation. All callbacks come from the thread that called the operation.
struct Operation {
  // Readable once the operation is to be cancelled (an eventfd, the read end of a pipe); -1: cannot be cancelled.
  // The caller owns it.
  int cancel_fd = -1;
  // `done` of `total` (bytes where the phase moves bytes; total 0: not known). May be empty.
  std::function<void(const std::string& phase, std::uint64_t done, std::uint64_t total)> progress;
  // Filled in as the operation goes on, in order of start, also when it fails.
  std::vector<Phase> phases;
  // What was decided on the way and why, one sentence each: "strategy: copy, as ...". For people.
  std::vector<std::string> notes;
};

}  // namespace anyvisor
