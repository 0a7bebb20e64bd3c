// SPDX-License-Identifier: MIT
// What the login shell of a guest is given, so that a command arrives as it is and can be ended. Any POSIX shell as
// login shell will do; nothing is installed or left in the guest.
#pragma once

#include <string>
#include <string_view>

#include "anyvisor/guest.hpp"
#include "anyvisor/result.hpp"

namespace anyvisor {

// The word in single quotes, as every POSIX shell reads it back.
std::string quote_for_shell(std::string_view word);

// Exit code of the wrapper itself: no such folder in the guest.
inline constexpr int wrapper_failed = 125;

// A wrapper in sh(1) that runs the command, waits for it and ends with its exit code, 128 + n for a signal. `mark`, 32
// hex digits, stands among the wrapper's arguments: by it the command's processes are found again. Errors:
// invalid_argument (a NUL, a name that is no variable's, longer than a process may be given).
Result<std::string> wrapped_command(const ExecRequest& request, std::string_view mark);

// Sends the signal to every process in the session of the wrapper with this mark, but to the wrapper itself. By sudo
// where that needs no password, since the command may be root's. Ends with `nothing_signalled` when there is none.
std::string signal_command(std::string_view mark, int signal);
inline constexpr int nothing_signalled = 3;

}  // namespace anyvisor
