// SPDX-License-Identifier: MIT
#include "run_state.hpp"

#include <utility>

namespace anyvisor::qemu {
namespace {

Observed from_shutdown(const json::Value& data) {
  std::string reason = json::string_or(data, "reason");
  if (reason == "guest-panic") return {"shutdown", "the guest panicked"};
  return {"shutdown", "the guest powered itself off"};
}

}  // namespace

Observed from_status(const std::string& status) {
  if (status == "prelaunch" || status == "inmigrate") return {"created", {}};
  if (status == "running") return {"running", {}};
  if (status == "suspended") return {"running", "the guest has put itself to sleep (ACPI S3)"};
  if (status == "paused") return {"paused", {}};
  if (status == "io-error") return {"paused", "a disk could not be read or written"};
  if (status == "watchdog") return {"paused", "the guest's watchdog fired"};
  if (status == "debug") return {"paused", "stopped by a debugger"};
  if (status == "save-vm" || status == "finish-migrate" || status == "postmigrate" || status == "restore-vm")
    return {"paused", "stopped for saving or restoring (" + status + ")"};
  if (status == "shutdown") return {"shutdown", "the guest powered itself off"};
  if (status == "guest-panicked") return {"shutdown", "the guest panicked"};
  if (status == "internal-error") return {"unknown", "QEMU reports an internal error: the virtual CPU cannot go on"};
  return {"unknown", "QEMU reports a state that is not known here: " + status};
}

bool RunState::apply(const QmpEvent& event) {
  Observed before = now_;
  if (event.name == "RESUME") {
    now_ = {"running", {}};
    stop_reason_.clear();
  } else if (event.name == "SHUTDOWN") {
    // Ended from outside (quit, a signal): the process goes away, and its end is what the host records.
    if (json::bool_or(event.data, "guest", false)) now_ = from_shutdown(event.data);
  } else if (event.name == "GUEST_PANICKED") {
    if (json::string_or(event.data, "action") != "run") now_ = {"shutdown", "the guest panicked"};
  } else if (event.name == "BLOCK_IO_ERROR") {
    if (json::string_or(event.data, "action") == "stop")
      stop_reason_ = json::bool_or(event.data, "nospace", false)
                         ? "host disk full"
                         : "disk I/O error: " + json::string_or(event.data, "reason", "unknown");
  } else if (event.name == "WATCHDOG") {
    if (json::string_or(event.data, "action") == "pause") stop_reason_ = "the guest's watchdog fired";
  } else if (event.name == "STOP") {
    // A guest that is off, or was never on, stops too: that is no pause.
    if (now_.state != "shutdown" && now_.state != "created") now_ = {"paused", std::exchange(stop_reason_, {})};
  }
  return now_ != before;
}

void RunState::set(Observed observed) {
  if (observed.state == now_.state && !now_.reason.empty() && !observed.reason.empty()) return;
  now_ = std::move(observed);
}

std::string render(const Observed& observed) {
  json::Document reply = json::make_object();
  json::set(reply, reply, "state", observed.state);
  if (!observed.reason.empty()) json::set(reply, reply, "reason", observed.reason);
  return json::render(reply);
}

}  // namespace anyvisor::qemu
