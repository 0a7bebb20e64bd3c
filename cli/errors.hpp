// SPDX-License-Identifier: MIT
// How failures look and what the program's exit code is: docs/exit-codes.md.
#pragma once

#include <anyvisor/result.hpp>
#include <exception>
#include <string>
#include <utility>

namespace anyvisor::cli {

inline constexpr int exit_usage = 1;
// exec and shell end with the exit code of what they ran. Their own failures have this one, as those of env(1) and
// timeout(1) do.
inline constexpr int exit_own_failure = 125;

// The command line is wrong. Thrown by parsing, caught in main().
class UsageError : public std::exception {
 public:
  UsageError(std::string text, std::string advice) : message(std::move(text)), hint(std::move(advice)) {}
  const char* what() const noexcept override { return message.c_str(); }
  std::string message, hint;
};

// The library refused. Thrown where a command cannot go on, caught in main().
class Failed : public std::exception {
 public:
  explicit Failed(Error what_failed) : error(std::move(what_failed)) {}
  const char* what() const noexcept override { return error.message.c_str(); }
  Error error;
};

template <class T>
T value_of(Result<T> result) {
  if (!result) throw Failed(std::move(result).error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Stable.
int exit_code(ErrorKind kind);
// "0 success", "1 wrong use", ... in columns: for help.
std::string exit_code_overview();

// To stderr: at most three lines, or one JSON object. report() returns the exit code: `code`, or when that is 0 the one
// of the error. `verbose`: with all causes, one line each.
int report(const Error& error, bool json, int code = 0, bool verbose = false);
int report(const UsageError& error, bool json, int code = 0);
// "warning: ..." to stderr; nothing with --format json, where the document itself says it.
void warn(const std::string& message, bool json);

}  // namespace anyvisor::cli
