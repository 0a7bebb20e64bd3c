// SPDX-License-Identifier: MIT
// Divides an operation into named phases, with no time between them.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "anyvisor/operation.hpp"

namespace anyvisor {

class PhaseClock {
 public:
  explicit PhaseClock(Operation& operation) : operation_(operation) {}
  ~PhaseClock() { close(); }
  PhaseClock(const PhaseClock&) = delete;
  PhaseClock& operator=(const PhaseClock&) = delete;

  // Ends the phase before and begins `name`, which the progress sink hears of.
  void begin(std::string name) {
    close();
    if (operation_.progress) operation_.progress(name, 0, 0);
    operation_.phases.push_back({std::move(name), since_start(), std::chrono::microseconds(0)});
    open_ = true;
  }
  void close() {
    if (!open_) return;
    operation_.phases.back().duration = since_start() - operation_.phases.back().start;
    open_ = false;
  }
  // For `--explain`: what was decided, and why.
  void note(std::string sentence) { operation_.notes.push_back(std::move(sentence)); }
  Operation& operation() { return operation_; }

 private:
  std::chrono::microseconds since_start() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_);
  }
  Operation& operation_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool open_ = false;
};

}  // namespace anyvisor
