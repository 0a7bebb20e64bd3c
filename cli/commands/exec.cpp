// SPDX-License-Identifier: MIT
// anyvisor exec, shell: a command or a login shell in a guest, with this program's streams, signals and exit code.
#include <unistd.h>

#include <array>
#include <limits>

#include "command.hpp"
#include "commands/via.hpp"
#include "forward_signals.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

// As asked; else when there is a terminal at both ends.
bool wants_terminal(const Arguments& arguments) {
  if (arguments.has("tty") && arguments.has("no-tty"))
    throw UsageError("--tty and --no-tty contradict each other", "give one of the two");
  if (arguments.has("tty")) return true;
  return !arguments.has("no-tty") && ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
}

int run_in_guest(Session& session, const std::string& name, ExecRequest request) {
  Manager& manager = session.manager();
  request.stdin_fd = STDIN_FILENO;
  request.stdout_fd = STDOUT_FILENO;
  request.stderr_fd = STDERR_FILENO;
  const ForwardSignals signals;
  request.signals_fd = signals.fd();
  Operation operation;
  return value_of(manager.exec(name, request, operation));
}

int run_exec(Session& session, const Arguments& arguments) {
  ExecRequest request;
  request.terminal = wants_terminal(arguments);
  request.folder = arguments.value("workdir");
  request.via = read_via(arguments);
  for (const auto& text : arguments.values("env")) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw UsageError("--env " + text + ": no variable and its value", "for instance: --env LANG=C");
    request.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  const auto& words = arguments.positional();
  if (words[1].empty()) throw UsageError("the name of the command is empty", "");
  request.command.assign(words.begin() + 1, words.end());
  return run_in_guest(session, words.front(), std::move(request));
}

// Without NAME: the only one that runs.
std::string only_running(Manager& manager) {
  std::vector<std::string> running;
  for (const auto& info : value_of(manager.list()))
    if (info.state == State::running) running.push_back(info.name);
  if (running.size() == 1) return running.front();
  Error error;
  error.kind = running.empty() ? ErrorKind::not_found : ErrorKind::ambiguous;
  error.message = running.empty() ? "no instance runs" : "several instances run, and none is named";
  error.hint = running.empty() ? "make one with: anyvisor launch" : "name one of:";
  for (const auto& name : running) error.hint += " " + name;
  throw Failed(std::move(error));
}

int run_shell(Session& session, const Arguments& arguments) {
  ExecRequest request;
  request.terminal = wants_terminal(arguments);
  request.via = read_via(arguments);
  const auto& words = arguments.positional();
  return run_in_guest(session, words.empty() ? only_running(session.manager()) : words.front(), std::move(request));
}

constexpr Option tty_option{"tty", 't', nullptr, "Give it a terminal (default: when stdin and stdout are terminals)"};
constexpr Option no_tty_option{"no-tty", 'T', nullptr, "Give it none: every byte passes unchanged"};
constexpr std::array exec_options{
    tty_option,
    no_tty_option,
    Option{"workdir", 'w', "DIR", "Folder in the guest to run it in (default: the user's home)"},
    Option{"env", 'e', "NAME=VALUE", "A variable for its environment", true},
    via_option,
};
constexpr std::array shell_options{tty_option, no_tty_option, via_option};

constexpr const char* exec_details =
    "Everything after NAME is the command and arrives as it is; for pipes and the like, name a shell:\n"
    "\n"
    "  anyvisor exec web uname -a\n"
    "  anyvisor exec web -- sh -c 'dmesg | tail -n 3'\n"
    "  tar c . | anyvisor exec web tar x\n"
    "\n"
    "Ends with the command's exit code, 128 + n when signal n ended it; 125 when anyvisor could not run it, and\n"
    "then a line on stderr says why. SIGINT, SIGTERM, SIGHUP and SIGQUIT go to the command; what still runs after\n"
    "5 seconds, or at a second signal, is killed.";
constexpr const char* shell_details =
    "A login shell, as over ssh; NAME may be left out when only one instance runs. Ends with the shell's exit code,\n"
    "125 when anyvisor could not start it. When the guest has died, Enter ~ . ends it.";

}  // namespace

extern const Command exec_command, shell_command;
constinit const Command exec_command{
    "Guests",         "exec", nullptr,    "NAME [--] COMMAND...", "Run a command in a guest",
    exec_details,     2,      any_number, exec_options,           run_exec,
    exit_own_failure, 1};
constinit const Command shell_command{"Guests",        "shell", nullptr, "[NAME]",      "Open a shell in a guest",
                                      shell_details,   0,       1,       shell_options, run_shell,
                                      exit_own_failure};

}  // namespace anyvisor::cli
