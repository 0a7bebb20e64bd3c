// SPDX-License-Identifier: MIT
// The instance's VMM process: its record, its end. Used by the worker (start, terminate) and the main loop (its end);
// each function says which.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "process/process_identity.hpp"
#include "process/spawn.hpp"

namespace anyvisor::host {

class Vmm {
 public:
  // `folder`: of the instance, <home>/instances/<id>.
  explicit Vmm(std::string folder);

  // What goes into the record of the next start. [worker]
  void describe(std::string backend, std::string endpoints);
  // Starts it; its own first act is to write the record. Errors: those of spawn(), already_exists. [worker]
  Result<anyvisor::Child> start(Command command);
  // After a create: the hardware belongs to the record too. [worker]
  Result<void> set_hardware(const std::string& hardware);
  // The living VMM of an earlier plugin-host, if the record names one. [worker]
  bool adopt();

  // Its end will have been asked for: `reason` goes into the record. [worker]
  void expect_end(const std::string& reason);
  bool end_is_awaited() const;  // it was asked for, or somebody is in wait_ended()
  // What an end that nobody asked for will have come from; empty: not known. Not used when it looks like a crash.
  void explain_end(const std::string& reason);
  // SIGKILL. [any thread]
  void kill();
  // Waits until its end is recorded. false: it lives on. [worker]
  bool wait_ended(std::chrono::milliseconds patience);

  // -1: none. [any thread]
  int pidfd() const;
  bool alive() const { return pidfd() >= 0; }
  // The process has ended, and on_end() is due. [main loop]
  bool ended() const;
  // The pidfd has become readable: reaps, writes the record. Returns the reason of its end. [main loop]
  std::string on_end();

  std::optional<ProcessRecord> record() const;  // [any thread]
  // The end of logs/vmm.log, for messages. [any thread]
  std::string log_tail() const;

 private:
  ProcessRecord::Exit reap();
  std::string folder_, home_;
  std::string backend_, endpoints_ = "[]";
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  Fd pidfd_;
  bool own_child_ = false;
  std::uint64_t log_start_ = 0;  // size of vmm.log when the VMM was started
  std::optional<ProcessRecord> record_;
  int waiting_ = 0;
  std::string expected_, explained_;
};

}  // namespace anyvisor::host
