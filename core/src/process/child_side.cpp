// SPDX-License-Identifier: MIT
#include "process/child_side.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>

namespace anyvisor {

namespace {

constexpr const char* record_name = "process.json";

// Text in a fixed buffer; what does not fit is dropped.
template <std::size_t capacity>
class FixedText {
 public:
  void add(std::string_view text) noexcept {
    for (const char c : text)
      if (size_ + 1 < capacity) bytes_[size_++] = c;
    bytes_[size_] = '\0';
  }
  void add(std::uint64_t number) noexcept {
    std::array<char, 20> digits{};
    std::size_t first = digits.size();
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    add({digits.data() + first, digits.size() - first});
  }
  const char* c_str() const noexcept { return bytes_; }
  std::string_view view() const noexcept { return {bytes_, size_}; }

 private:
  char bytes_[capacity] = {};
  std::size_t size_ = 0;
};

[[noreturn]] void give_up(const ChildPlan& plan, ChildAction action, int error) noexcept {
  const ChildFailure failure{action, error};
  while (::write(plan.report, &failure, sizeof failure) < 0 && errno == EINTR) {
  }
  ::_exit(127);
}

// The raw calls: glibc's refuse its own signals and may be wrapped by sanitizers. All-zero is SIG_DFL with no flags, of
// any layout.
void reset_signals() noexcept {
  const std::array<unsigned char, 64> default_action{};
  const std::size_t set_size = 8;
  for (int signal = 1; signal <= 64; ++signal)
    ::syscall(SYS_rt_sigaction, signal, default_action.data(), nullptr, set_size);
  const std::uint64_t none = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, set_size);
}

// Targets may be the numbers of sources: first everything goes above all targets, then down to its place.
void place_descriptors(ChildPlan& plan) noexcept {
  const auto move_up = [&](int fd) {
    const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, plan.first_free);
    if (moved < 0) give_up(plan, ChildAction::descriptors, errno);
    return moved;
  };
  plan.report = move_up(plan.report);
  if (plan.record_folder >= 0) plan.record_folder = move_up(plan.record_folder);
  for (std::size_t i = 0; i < plan.fd_count; ++i) plan.fds[i].source = move_up(plan.fds[i].source);
  for (std::size_t i = 0; i < plan.fd_count; ++i)
    if (::dup2(plan.fds[i].source, plan.fds[i].target) < 0) give_up(plan, ChildAction::descriptors, errno);
  // Whatever else is open, from this library or from the program that uses it, is closed by exec.
  if (::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0)
    give_up(plan, ChildAction::descriptors, errno);
  for (std::size_t i = 0; i < plan.fd_count; ++i)
    if (::fcntl(plan.fds[i].target, F_SETFD, 0) != 0) give_up(plan, ChildAction::descriptors, errno);
}

// Field 22 of /proc/self/stat, 0 when it cannot be read. The program's name before it may hold spaces and parentheses.
std::uint64_t own_start_time() noexcept {
  const int fd = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 2048> text{};
  const ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  if (size <= 0) return 0;
  std::string_view rest(text.data(), static_cast<std::size_t>(size));
  const auto name_end = rest.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= rest.size()) return 0;
  rest.remove_prefix(name_end + 2);
  for (int field = 3; field < 22; ++field) {
    const auto space = rest.find(' ');
    if (space == std::string_view::npos) return 0;
    rest.remove_prefix(space + 1);
  }
  std::uint64_t start_time = 0;
  for (const char c : rest) {
    if (c < '0' || c > '9') break;
    start_time = start_time * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return start_time;
}

bool write_whole(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void write_record(const ChildPlan& plan) noexcept {
  const auto pid = static_cast<std::uint64_t>(::getpid());
  const std::uint64_t start_time = own_start_time();
  if (start_time == 0) give_up(plan, ChildAction::record, ESRCH);
  FixedText<64> temporary;
  temporary.add(".process.json.");
  temporary.add(pid);
  temporary.add(".0.tmp");  // as atomic_file.cpp names them
  FixedText<24> pid_text, start_text;
  pid_text.add(pid);
  start_text.add(start_time);

  const int fd =
      ::openat(plan.record_folder, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) give_up(plan, ChildAction::record, errno);
  bool done = write_whole(fd, plan.record_head) && write_whole(fd, pid_text.view()) &&
              write_whole(fd, plan.record_middle) && write_whole(fd, start_text.view()) &&
              write_whole(fd, plan.record_tail);
  // The text is on the disk before the name is: after a power loss there is no empty record. That the name itself may
  // be lost then does no harm, for the process is lost too.
  done = done && ::fsync(fd) == 0;
  done = done && ::renameat(plan.record_folder, temporary.c_str(), plan.record_folder, record_name) == 0;
  if (!done) {
    const int error = errno;
    ::unlinkat(plan.record_folder, temporary.c_str(), 0);
    give_up(plan, ChildAction::record, error);
  }
  ::close(fd);
}

}  // namespace

void become_program(ChildPlan& plan) noexcept {
  reset_signals();
  place_descriptors(plan);
  if (plan.new_session && ::setsid() < 0) give_up(plan, ChildAction::session, errno);
  // Asked to end, so that it can take away what it has made. The parent may have ended before the kernel was told.
  if (plan.parent != 0 && (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || ::getppid() != plan.parent))
    ::_exit(128 + SIGTERM);
  // What it makes in the home folder is its owner's alone.
  ::umask(077);
  if (::chdir(plan.folder) != 0) give_up(plan, ChildAction::folder, errno);
  if (plan.record_folder >= 0) write_record(plan);
  ::execve(plan.program, plan.argv, plan.environment);
  const int error = errno;
  if (plan.record_folder >= 0) ::unlinkat(plan.record_folder, record_name, 0);
  give_up(plan, ChildAction::execute, error);
}

}  // namespace anyvisor
