// SPDX-License-Identifier: MIT
#include "guest/remote_command.hpp"

#include <algorithm>

namespace anyvisor {
namespace {

// MAX_ARG_STRLEN of Linux: ssh hands the whole text to the guest's shell as one argument.
constexpr std::size_t longest_command = 128 * 1024 - 1;

// $1 is the mark. The traps keep the wrapper alive when its session is signalled: it is the one that tells the exit
// code. In the subshell they are gone, and exec takes no builtin for the program that was meant.
constexpr const char* wrapper =
    "trap : HUP INT QUIT TERM; shift; "
    "while [ \"$1\" != -- ]; do export \"$1\"; shift; done; shift; "
    "if [ -n \"$1\" ]; then CDPATH= cd -- \"$1\" || exit 125; fi; shift; "
    "(exec \"$@\"); exit $?";

// $1 is a pattern that matches the mark, a whole argument (-zx), and not itself; $2 the signal. A session is what sshd
// makes for each command; its leader is the wrapper. In /proc/PID/stat, what follows the last ')' is: state, parent,
// group, session.
constexpr const char* signaller =
    "sid=; "
    "for f in $(grep -lszx -e \"$1\" /proc/[0-9]*/cmdline); do "
    "IFS= read -r line < \"${f%cmdline}stat\" || continue; "
    "set -- \"$1\" \"$2\" ${line##*) }; sid=$6; break; done 2>/dev/null; "
    "[ -n \"$sid\" ] || exit 3; "
    "signalled=; signal=$2; "
    "for f in /proc/[0-9]*/stat; do "
    "{ IFS= read -r line < \"$f\"; } 2>/dev/null || continue; "
    "set -- ${line##*) }; [ \"$4\" = \"$sid\" ] || continue; "
    "pid=${f#/proc/}; pid=${pid%/stat}; [ \"$pid\" != \"$sid\" ] || continue; "
    "{ kill -s \"$signal\" \"$pid\" || sudo -n kill -s \"$signal\" \"$pid\"; } 2>/dev/null && signalled=1; done; "
    "[ -n \"$signalled\" ] || exit 3";

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string script(std::string_view text, std::string_view name) {
  return "exec /bin/sh -c " + quote_for_shell(text) + " " + quote_for_shell(name);
}

}  // namespace

std::string quote_for_shell(std::string_view word) {
  std::string quoted = "'";
  for (char c : word) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

Result<std::string> wrapped_command(const ExecRequest& request, std::string_view mark) {
  std::string text = script(wrapper, "anyvisor") + " " + std::string(mark);
  const auto add = [&](std::string_view word) { text += " " + quote_for_shell(word); };
  for (const auto& [name, value] : request.environment) {
    if (!is_variable_name(name))
      return fail(ErrorKind::invalid_argument, "\"" + name + "\" is no name of an environment variable",
                  "use letters, digits and _", "/environment");
    add(name + "=" + value);
  }
  text += " --";
  add(request.folder == "-" ? "./-" : request.folder);
  for (const auto& word : request.command) add(word);
  if (text.find('\0') != std::string::npos)
    return fail(ErrorKind::invalid_argument, "a command cannot hold a NUL byte", "send it through stdin", "/command");
  if (text.size() > longest_command)
    return fail(ErrorKind::invalid_argument,
                "the command is too long: " + std::to_string(text.size()) + " bytes, quoted, of " +
                    std::to_string(longest_command) + " that a program can be given",
                "send what is long through stdin, or with 'anyvisor copy'", "/command");
  return text;
}

std::string signal_command(std::string_view mark, int signal) {
  const std::string pattern = "[" + std::string(mark.substr(0, 1)) + "]" + std::string(mark.substr(1));
  return script(signaller, "anyvisor") + " " + quote_for_shell(pattern) + " " + std::to_string(signal);
}

}  // namespace anyvisor
