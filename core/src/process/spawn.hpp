// SPDX-License-Identifier: MIT
// Starting processes: no shell, no descriptor but those listed, its own session.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "process/process_identity.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

struct Command {
  std::vector<std::string> argv;                      // argv[0]: absolute, or looked up on PATH
  std::vector<std::string> env;                       // NAME=value, added to the clean environment
  std::vector<std::pair<int, int>> fds;               // {ours, theirs (>= 3)}; nothing else is inherited
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;  // -1: /dev/null
  bool new_session = true;                            // setsid
  std::string folder;                                 // working folder; empty: "/"
  // A VMM: the child itself writes this record (pid, start_time filled in by it) to record_folder/process.json by
  // temporary file and rename, before exec. Empty: none.
  std::string record_folder;
  std::optional<ProcessRecord> record;
  // Gets SIGTERM when the thread that starts it ends, so that nothing goes on working for a command that was killed.
  // run() always does it.
  bool ends_with_parent = false;
  std::chrono::milliseconds grace{0};  // run(): from SIGTERM to SIGKILL, where it has to end early
};

struct Child {
  int pid = 0;
  Fd pidfd;
};

// Errors: not_found (no such program: the message says which package-neutral name was looked for), unavailable (not
// executable), exhausted, internal. An exec that fails is reported here, not as an exit code. Signals are back at their
// defaults in the child, none blocked. `step` names the DurableStep around it.
Result<Child> spawn(const Command& command, const char* step);

struct Captured {
  int status = 0;  // exit code, or 128 + signal
  std::string output, errors;
};

// Runs to the end and captures stdout and stderr (at most 16 MiB each; more: exhausted). Past `deadline`, or when
// `cancel_fd` is readable, it is ended (`grace`), and its process group killed: timeout, cancelled. The group is killed
// too where a signal has ended it. `input` goes to its stdin. `heard` gets what it has written to stdout so far, each
// time there is more.
Result<Captured> run(const Command& command, std::chrono::steady_clock::time_point deadline, int cancel_fd = -1,
                     std::string_view input = {}, const std::function<void(std::string_view)>& heard = {});

// Looks `program` up on PATH. Errors: not_found.
Result<std::string> find_program(const std::string& program);

}  // namespace anyvisor
