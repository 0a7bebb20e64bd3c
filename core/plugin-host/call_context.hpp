// SPDX-License-Identifier: MIT
// The context of one call into a plugin: deadline, cancellation, progress, and the failure that it reports.
#pragma once

#include <anyvisor/plugin.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "anyvisor/result.hpp"
#include "storage/fd.hpp"

namespace anyvisor::host {

class CallContext {
 public:
  using Clock = std::chrono::steady_clock;
  // Called from the plugin's thread, whichever that is.
  using ProgressSink = std::function<void(const std::string& phase, std::uint64_t done, std::uint64_t total)>;

  CallContext(Clock::time_point deadline, ProgressSink progress);
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  const anyvisor_context* abi() const { return &context_; }
  Clock::time_point deadline() const { return deadline_; }
  int cancel_fd() const { return cancel_.get(); }
  void cancel();  // [any thread]
  bool is_cancelled() const { return cancelled_ || Clock::now() >= deadline_; }

  // What the plugin reported through fail(), and forgets it. `what` names the call ("plugin \"x\", machine.boot") where
  // it reported nothing usable. Turns the status that the call returned into a Result; a declined call is std::nullopt
  // in `declined`.
  Result<void> outcome(anyvisor_status status, const std::string& what, std::optional<std::string>* declined = nullptr);
  // For host services: records and returns the status, as the plugin's own fail() would.
  anyvisor_status record(const Error& error) const;

 private:
  static anyvisor_status on_fail(const anyvisor_context* context, const anyvisor_error* error);
  Clock::time_point deadline_;
  ProgressSink progress_;
  Fd cancel_;
  std::atomic<bool> cancelled_{false};
  anyvisor_context context_{};
  mutable std::optional<Error> failure_;
  mutable anyvisor_status failed_with_ = ANYVISOR_OK;
};

// Text from a plugin: bounded, valid UTF-8, "" for NULL.
std::string plugin_text(const char* text);
ErrorKind kind_of(anyvisor_status status);
anyvisor_status status_of(ErrorKind kind);

}  // namespace anyvisor::host
