// SPDX-License-Identifier: MIT
// Helpers that run to their end.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include "process/child_start.hpp"
#include "process/spawn.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor {

namespace {

constexpr std::size_t capture_limit = 16u << 20;

// The read end stays here and does not block; the write end goes to the child.
Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("cannot make a pipe", errno);
  std::pair<Fd, Fd> both{Fd(ends[0]), Fd(ends[1])};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail_errno("cannot make a pipe", errno);
  return both;
}

// The input as a file in memory: nothing to feed while it runs, and no SIGPIPE when it does not read.
Result<Fd> hold_input(std::string_view input) {
  Fd file(::memfd_create("anyvisor-input", MFD_CLOEXEC));
  if (!file) return fail_errno("cannot hold a program's input", errno);
  ANYVISOR_CHECK(write_all(file.get(), input));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno("cannot hold a program's input", errno);
  return file;
}

// Reads what is there; closes `pipe` at its end. False: over the limit.
bool drain(Fd& pipe, std::string& text) {
  std::array<char, 65536> chunk;
  while (pipe) {
    const ssize_t got = ::read(pipe.get(), chunk.data(), chunk.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) pipe.reset();
      break;
    }
    if (got == 0) {
      pipe.reset();
      break;
    }
    if (text.size() + static_cast<std::size_t>(got) > capture_limit) return false;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return true;
}

Result<siginfo_t> wait_for(const Child& child, const std::string& program, int options) {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, options) != 0)
    if (errno != EINTR) return fail_errno("cannot tell how \"" + program + "\" ended", errno);
  return info;
}

Result<int> reap(const Child& child, const std::string& program) {
  // Looked at before it is reaped: until then its group's number is nobody else's.
  ANYVISOR_TRY(const auto ended, wait_for(child, program, WEXITED | WNOWAIT));
  if (ended.si_code != CLD_EXITED) ::kill(-child.pid, SIGKILL);
  ANYVISOR_TRY(const auto info, wait_for(child, program, WEXITED));
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

// Its whole process group: it was started as the leader of one.
void end_group(const Child& child, const std::string& program, std::chrono::milliseconds grace) {
  if (grace > std::chrono::milliseconds::zero()) {
    ::kill(child.pid, SIGTERM);
    pollfd ended{child.pidfd.get(), POLLIN, 0};
    while (::poll(&ended, 1, static_cast<int>(grace.count())) < 0 && errno == EINTR) {
    }
  }
  ::kill(-child.pid, SIGKILL);
  static_cast<void>(reap(child, program));
}

int poll_timeout(std::chrono::steady_clock::time_point deadline) {
  using namespace std::chrono;
  const auto left = duration_cast<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, INT_MAX));
}

}  // namespace

Result<Captured> run(const Command& command, std::chrono::steady_clock::time_point deadline, int cancel_fd,
                     std::string_view input, const std::function<void(std::string_view)>& heard) {
  if (command.argv.empty()) return fail(ErrorKind::invalid_argument, "cannot start a program without a name");
  const std::string& program = command.argv.front();
  const auto cancelled = [&] { return fail(ErrorKind::cancelled, "\"" + program + "\" was cancelled"); };
  const auto timed_out = [&] {
    return fail(ErrorKind::timeout, "\"" + program + "\" did not end within its time limit");
  };
  if (pollfd asked{cancel_fd, POLLIN, 0}; cancel_fd >= 0 && ::poll(&asked, 1, 0) > 0) return cancelled();
  if (std::chrono::steady_clock::now() >= deadline) return timed_out();

  // Around its whole life: what it changes, it changes until its end.
  DurableStep durable("process.run");
  Command started = command;
  started.new_session = true;
  started.ends_with_parent = true;
  Fd input_file;
  if (!input.empty() && started.stdin_fd < 0) {
    ANYVISOR_TRY(input_file, hold_input(input));
    started.stdin_fd = input_file.get();
  }
  std::pair<Fd, Fd> output, errors;
  if (started.stdout_fd < 0) {
    ANYVISOR_TRY(output, make_pipe());
    started.stdout_fd = output.second.get();
  }
  if (started.stderr_fd < 0) {
    ANYVISOR_TRY(errors, make_pipe());
    started.stderr_fd = errors.second.get();
  }
  ANYVISOR_TRY(const Child child, start_child(started));
  output.second.reset();
  errors.second.reset();

  Captured captured;
  while (true) {
    std::array<pollfd, 4> watched{{{child.pidfd.get(), POLLIN, 0},
                                   {output.first.get(), POLLIN, 0},
                                   {errors.first.get(), POLLIN, 0},
                                   {cancel_fd, POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), poll_timeout(deadline));
    if (ready < 0 && errno != EINTR) {
      const int failure = errno;
      end_group(child, program, command.grace);
      return fail_errno("cannot wait for \"" + program + "\"", failure);
    }
    const bool ended = ready > 0 && watched[0].revents != 0;
    const std::size_t heard_before = captured.output.size();
    if (!drain(output.first, captured.output) || !drain(errors.first, captured.errors)) {
      end_group(child, program, command.grace);
      return fail(ErrorKind::exhausted,
                  "\"" + program + "\" wrote more than " + std::to_string(capture_limit) + " bytes");
    }
    if (heard && captured.output.size() > heard_before) heard(captured.output);
    if (ended) {
      ANYVISOR_TRY(captured.status, reap(child, program));
      return captured;
    }
    if (ready > 0 && watched[3].revents != 0) {
      end_group(child, program, command.grace);
      return cancelled();
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      end_group(child, program, command.grace);
      return timed_out();
    }
  }
}

}  // namespace anyvisor
