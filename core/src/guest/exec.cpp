// SPDX-License-Identifier: MIT
// exec: one ssh whose descriptors are the caller's, so that no byte passes through this process; a second one only when
// a signal is to be sent, which ssh itself does not forward.
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <optional>

#include "guest/guest_operations.hpp"
#include "guest/remote_command.hpp"
#include "instance/identifier.hpp"
#include "instance/locked_instance.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr unsigned connect_limit = 30;   // seconds: a guest in software emulation takes some for the key exchange
constexpr seconds grace{5};              // between the first signal and SIGKILL
constexpr seconds signalling_limit{20};  // for the ssh that sends a signal
constexpr int ssh_failed = 255;          // ssh's exit code when it was ssh that failed

std::string make_mark() {
  std::string mark = new_random_uuid();
  std::erase(mark, '-');
  return mark;
}

// One run of a command, with all that must live as long as it does.
class Session {
 public:
  Session(const SshAccess& access, const ExecRequest& request, std::string ssh, NamelessFile config, NamelessFile log)
      : access_(access),
        request_(request),
        ssh_(std::move(ssh)),
        config_(std::move(config)),
        log_(std::move(log)),
        mark_(make_mark()) {}

  Result<int> run(int cancel_fd);

 private:
  Result<void> start();
  Result<int> status();
  void take_signal(int number);
  bool send(int number);
  void end_ssh() { syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGTERM, nullptr, 0); }
  int milliseconds_left() const;

  const SshAccess& access_;
  const ExecRequest& request_;
  const std::string ssh_;
  const NamelessFile config_, log_;
  const std::string mark_;
  Child child_;
  int first_signal_ = 0;
  bool given_up_ = false;  // ssh was ended from here
  std::optional<Clock::time_point> patience_ends_;
};

Result<void> Session::start() {
  Command command;
  command.argv = {ssh_, "-F", config_.path(), "-E", log_.path()};
  if (request_.command.empty()) {
    command.argv.insert(command.argv.end(), {request_.terminal ? "-tt" : "-T", "-e", "~", "--", access_.alias});
  } else {
    ANYVISOR_TRY(auto text, wrapped_command(request_, mark_));
    command.argv.insert(command.argv.end(), {request_.terminal ? "-tt" : "-T", "--", access_.alias, std::move(text)});
  }
  command.folder = access_.home;
  command.stdin_fd = request_.stdin_fd;
  command.stdout_fd = request_.stdout_fd;
  command.stderr_fd = request_.stderr_fd;
  // With a terminal ssh has to hear of its new sizes; without one, Ctrl-C is the caller's to forward.
  command.new_session = !request_.terminal;
  if (const char* terminal = std::getenv("TERM")) command.env.push_back(std::string("TERM=") + terminal);
  ANYVISOR_TRY(child_, spawn(command, "ssh.start"));
  return {};
}

Result<int> Session::status() {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child_.pidfd.get()), &info, WEXITED) != 0)
    if (errno != EINTR) return fail_errno("cannot tell how ssh ended", errno);
  const int code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  if (given_up_) return 128 + first_signal_;
  if (info.si_code != CLD_EXITED)
    return fail(ErrorKind::internal, "ssh was ended by signal " + std::to_string(info.si_status),
                "the command in the guest of \"" + access_.instance + "\" may still run");
  if (code != ssh_failed) return code;
  // A command may end with 255 too; then ssh has nothing to say.
  const std::string said = log_.content();
  if (said.empty()) return code;
  return tl::unexpected(explain_ssh_failure(access_, said));
}

// True when processes of the command got the signal.
bool Session::send(int number) {
  Command command;
  command.argv = {ssh_, "-F", config_.path(), "-T", "--", access_.alias, signal_command(mark_, number)};
  command.folder = access_.home;
  auto sent = anyvisor::run(command, Clock::now() + signalling_limit);
  return sent && sent->status == 0;
}

void Session::take_signal(int number) {
  const bool first = first_signal_ == 0;
  if (first) first_signal_ = number;
  // Without a command of ours there is a login shell, which ends when its terminal or its input does.
  if (!request_.command.empty() && send(first ? number : SIGKILL)) {
    patience_ends_ = Clock::now() + grace;
    return;
  }
  given_up_ = true;
  patience_ends_.reset();
  end_ssh();
  // It may have begun just then.
  if (!request_.command.empty()) (void)send(SIGKILL);
}

int Session::milliseconds_left() const {
  if (!patience_ends_) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*patience_ends_ - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, INT_MAX));
}

Result<int> Session::run(int cancel_fd) {
  ANYVISOR_CHECK(start());
  int signals_fd = request_.signals_fd;
  bool cancelled = false;
  for (;;) {
    std::array<pollfd, 3> watched{
        {{child_.pidfd.get(), POLLIN, 0}, {signals_fd, POLLIN, 0}, {cancelled ? -1 : cancel_fd, POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_left());
    if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for ssh", errno);
    if (ready > 0 && watched[0].revents != 0) break;
    if (ready > 0 && watched[1].revents != 0) {
      unsigned char number = 0;
      if (::read(signals_fd, &number, 1) == 1)
        take_signal(number);
      else if (errno != EAGAIN && errno != EINTR)
        signals_fd = -1;
    }
    if (ready > 0 && watched[2].revents != 0) {
      cancelled = true;
      take_signal(SIGTERM);
    }
    if (patience_ends_ && Clock::now() >= *patience_ends_) take_signal(SIGKILL);
  }
  auto ended = status();
  if (cancelled) return fail(ErrorKind::cancelled, "the command in \"" + access_.instance + "\" was cancelled");
  return ended;
}

}  // namespace

Result<int> exec_over_ssh(const SshAccess& access, const ExecRequest& request, int cancel_fd) {
  ANYVISOR_TRY(std::string ssh, find_ssh_program("ssh"));
  ANYVISOR_TRY(auto config, NamelessFile::make(ssh_config({access}, connect_limit)));
  ANYVISOR_TRY(auto log, NamelessFile::make(""));
  return Session(access, request, std::move(ssh), std::move(config), std::move(log)).run(cancel_fd);
}

Result<int> exec(const Workspace& workspace, const std::string& instance, const ExecRequest& request,
                 Operation& operation) {
  ANYVISOR_TRY(auto record, find_instance(workspace, instance));
  ANYVISOR_TRY(auto access, find_ssh_access(workspace, record, request.via));
  return exec_over_ssh(access, request, operation.cancel_fd);
}

}  // namespace anyvisor
