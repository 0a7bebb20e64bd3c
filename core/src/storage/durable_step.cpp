// SPDX-License-Identifier: MIT
#include "storage/durable_step.hpp"

#ifdef ANYVISOR_FAULT_POINTS
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#endif

namespace anyvisor {

#ifdef ANYVISOR_FAULT_POINTS

namespace {

// Not set: the executable's name. A library has a copy of this that its program's main cannot reach.
std::atomic<const char*> given_name{nullptr};
std::atomic<unsigned long> passings_of_the_armed_point{0};

const char* program_name() {
  const char* name = given_name.load();
  return name ? name : program_invocation_short_name;
}

void append_line(const char* file, const std::string& line) {
  const int fd = ::open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (::write(fd, line.data(), line.size()) < 0) {
    // The test that armed the point misses the line and fails; there is nobody else to tell.
  }
  ::close(fd);
}

bool is_armed(std::string_view point) {
  const char* armed = std::getenv("ANYVISOR_STOP_AT");
  if (!armed) return false;
  std::string_view wanted(armed);
  unsigned long nth = 1;
  if (auto hash = wanted.find('#'); hash != std::string_view::npos) {
    nth = std::strtoul(wanted.data() + hash + 1, nullptr, 10);
    wanted = wanted.substr(0, hash);
  }
  if (wanted != point) return false;
  const char* program = std::getenv("ANYVISOR_STOP_PROGRAM");
  if (program && std::strcmp(program, program_name()) != 0) return false;
  return passings_of_the_armed_point.fetch_add(1) + 1 == nth;
}

void pass(const char* name, std::string_view side) {
  const int saved = errno;
  const std::string marker = "anyvisor-point " + std::string(name) + std::string(side);
  // There to be seen by strace; fails with EBADF.
  if (::write(-1, marker.data(), marker.size()) >= 0) std::abort();
  const std::string point = marker.substr(std::strlen("anyvisor-point "));
  const std::string line = std::to_string(::getpid()) + " " + program_name() + " " + point + "\n";
  if (const char* log = std::getenv("ANYVISOR_POINTS_LOG")) append_line(log, line);
  if (is_armed(point)) {
    if (const char* report = std::getenv("ANYVISOR_STOP_REPORT")) append_line(report, line);
    ::raise(SIGSTOP);
  }
  errno = saved;
}

}  // namespace

DurableStep::DurableStep(const char* name) noexcept : name_(name) {
  pass(name_, ":before");
}
DurableStep::~DurableStep() {
  pass(name_, ":after");
}
void set_program_name(const char* program) noexcept {
  given_name = program;
}

#else

DurableStep::DurableStep(const char* name) noexcept : name_(name) {}
DurableStep::~DurableStep() {
  static_cast<void>(name_);
}
void set_program_name(const char*) noexcept {}

#endif

}  // namespace anyvisor
