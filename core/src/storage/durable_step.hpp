// SPDX-License-Identifier: MIT
// A durable step: one or more file-system changes, or a process start, after which the world is different for whoever
// comes next. The constructor marks the point "<name>:before", the destructor "<name>:after".
//
// In builds with ANYVISOR_FAULT_POINTS (CMake option; on in the test presets) the points can be armed by environment:
//   ANYVISOR_STOP_AT=<name>:before|<name>:after[#N]   at the N-th passing in this process (default 1) the process
//   appends a line
//                                             "<pid> <program> <point>\n" to the file $ANYVISOR_STOP_REPORT and raises
//                                             SIGSTOP. It goes on at SIGCONT.
//   ANYVISOR_STOP_PROGRAM=<program>           only in the program of that name ("anyvisor", "plugin-host"); default any
//   ANYVISOR_POINTS_LOG=<file>                each passing appends "<pid> <program> <point>\n" (O_APPEND, one write)
// In those builds each point also makes one write(2) to descriptor -1 of the text "anyvisor-point <name>:before", which
// fails with EBADF and is there to be seen by strace. Otherwise a point costs nothing.
#pragma once

namespace anyvisor {

class DurableStep {
 public:
  // `name`: a string literal, "<operation or room>.<step>", e.g. "instance.publish". [any thread]
  explicit DurableStep(const char* name) noexcept;
  ~DurableStep();
  DurableStep(const DurableStep&) = delete;
  DurableStep& operator=(const DurableStep&) = delete;

 private:
  const char* name_;
};

// Of this program, for the report lines; set once at the start of main. `program` must be a string literal. Default:
// its executable's name.
void set_program_name(const char* program) noexcept;

}  // namespace anyvisor
