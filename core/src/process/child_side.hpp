// SPDX-License-Identifier: MIT
// What the new process does between fork and exec. Its parent may have had many threads, any of which may have held any
// lock: only async-signal-safe calls, no memory from the heap. Everything is prepared by the parent (spawn.cpp).
#pragma once

#include <cstddef>
#include <string_view>

namespace anyvisor {

// What failed in the child; goes to the parent with its errno value.
enum class ChildAction : int { descriptors, session, folder, record, execute };

struct ChildFailure {
  ChildAction action;
  int error;
};

struct MovedFd {
  int source;
  int target;
};

struct ChildPlan {
  const char* program = nullptr;  // absolute
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  const char* folder = "/";
  bool new_session = true;
  int parent = 0;          // whose end is its end too, by SIGTERM; 0: it lives on
  MovedFd* fds = nullptr;  // every descriptor that it gets, 0 to 2 included; `source` is overwritten
  std::size_t fd_count = 0;
  int first_free = 3;  // above every target
  int report = -1;     // O_CLOEXEC: a ChildFailure, or end of file once exec has succeeded
  // process.json: head, pid, middle, start time, tail. -1: no record.
  int record_folder = -1;
  std::string_view record_head, record_middle, record_tail;
};

[[noreturn]] void become_program(ChildPlan& plan) noexcept;

}  // namespace anyvisor
