// SPDX-License-Identifier: MIT
// Results and errors of the whole library. Nothing in anyvisor throws across its API, prints or exits.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "anyvisor/export.hpp"

namespace anyvisor {

// What kind of failure it is. Stable: each has a name in JSON (kind_name) and an exit code of the CLI.
enum class ErrorKind {
  not_found,
  already_exists,
  ambiguous,
  invalid_argument,
  invalid_state,
  unsupported,
  unavailable,
  busy,
  exhausted,
  not_ready,
  timeout,
  cancelled,
  corrupted,
  backend_failed,
  internal,
};

// One failure as people and programs need it. `message` says what failed, on what and why; `hint` what to do next
// (may be empty); `field` is a JSON pointer into the document or option that was wrong (may be empty).
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string field;
  std::string hint;
  bool retry = false;                  // the same call may succeed later
  std::shared_ptr<const Error> cause;  // what lies behind it, or null
};

template <class T>
using Result = tl::expected<T, Error>;

// "not_found" and so on. [any thread]
ANYVISOR_API std::string_view kind_name(ErrorKind kind);
// The reverse; internal for a name that is not known. [any thread]
ANYVISOR_API ErrorKind kind_from_name(std::string_view name);

// return fail(ErrorKind::not_found, "instance \"x\" does not exist", "see 'anyvisor list'");
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint = {}, std::string field = {}) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  error.hint = std::move(hint);
  error.field = std::move(field);
  return tl::unexpected<Error>(std::move(error));
}

// A failed system call: `what` ("cannot write \"x\"") and strerror(errno_value); the kind follows from the errno value
// (ENOENT not_found, EACCES/EPERM unavailable, ENOSPC/EDQUOT/EMFILE/ENOMEM exhausted, EEXIST already_exists, else
// internal).
ANYVISOR_API tl::unexpected<Error> fail_errno(std::string_view what, int errno_value);

// The same error with "context: " before its message.
inline tl::unexpected<Error> in_context(std::string_view context, Error error) {
  error.message = std::string(context) + ": " + error.message;
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace anyvisor

// Assign the value of a Result expression or return its error from the enclosing function.
//   ANYVISOR_TRY(auto fd, open_folder(path));
//   ANYVISOR_CHECK(write_all(fd, text));
#define ANYVISOR_CONCAT_INNER(a, b) a##b
#define ANYVISOR_CONCAT(a, b) ANYVISOR_CONCAT_INNER(a, b)
#define ANYVISOR_TRY_INNER(name, declaration, expression)                       \
  auto name = (expression);                                                     \
  if (!name) return tl::unexpected<::anyvisor::Error>(std::move(name).error()); \
  declaration = std::move(*name)
#define ANYVISOR_TRY(declaration, ...) \
  ANYVISOR_TRY_INNER(ANYVISOR_CONCAT(anyvisor_result_, __LINE__), declaration, (__VA_ARGS__))
#define ANYVISOR_CHECK(...)                                                        \
  do {                                                                             \
    if (auto anyvisor_check = (__VA_ARGS__); !anyvisor_check)                      \
      return tl::unexpected<::anyvisor::Error>(std::move(anyvisor_check).error()); \
  } while (false)
