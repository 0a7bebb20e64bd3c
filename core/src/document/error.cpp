// SPDX-License-Identifier: MIT
#include <array>
#include <cerrno>
#include <cstring>

#include "anyvisor/result.hpp"

namespace anyvisor {

namespace {

struct NamedKind {
  ErrorKind kind;
  std::string_view name;
};

constexpr std::array<NamedKind, 15> kinds{{
    {ErrorKind::not_found, "not_found"},
    {ErrorKind::already_exists, "already_exists"},
    {ErrorKind::ambiguous, "ambiguous"},
    {ErrorKind::invalid_argument, "invalid_argument"},
    {ErrorKind::invalid_state, "invalid_state"},
    {ErrorKind::unsupported, "unsupported"},
    {ErrorKind::unavailable, "unavailable"},
    {ErrorKind::busy, "busy"},
    {ErrorKind::exhausted, "exhausted"},
    {ErrorKind::not_ready, "not_ready"},
    {ErrorKind::timeout, "timeout"},
    {ErrorKind::cancelled, "cancelled"},
    {ErrorKind::corrupted, "corrupted"},
    {ErrorKind::backend_failed, "backend_failed"},
    {ErrorKind::internal, "internal"},
}};

}  // namespace

std::string_view kind_name(ErrorKind kind) {
  for (const auto& entry : kinds)
    if (entry.kind == kind) return entry.name;
  return "internal";
}

ErrorKind kind_from_name(std::string_view name) {
  for (const auto& entry : kinds)
    if (entry.name == name) return entry.kind;
  return ErrorKind::internal;
}

tl::unexpected<Error> fail_errno(std::string_view what, int errno_value) {
  const char* description = strerrordesc_np(errno_value);
  std::string message(what);
  message += ": ";
  message += description ? description : "unknown error";
  switch (errno_value) {
    case ENOENT:
      return fail(ErrorKind::not_found, std::move(message));
    case EACCES:
    case EPERM:
      return fail(ErrorKind::unavailable, std::move(message), "check who owns it and its permissions");
    case ENOSPC:
    case EDQUOT:
      return fail(ErrorKind::exhausted, std::move(message), "free some space and try again");
    case EMFILE:
      return fail(ErrorKind::exhausted, std::move(message), "raise the limit of open files (ulimit -n)");
    case ENOMEM:
      return fail(ErrorKind::exhausted, std::move(message), "free some memory and try again");
    case EROFS:
      return fail(ErrorKind::unavailable, std::move(message), "it is on a file system that cannot be written to");
    case EISDIR:
      return fail(ErrorKind::corrupted, std::move(message), "a file should be there: move the folder away");
    case EEXIST:
      return fail(ErrorKind::already_exists, std::move(message));
    default:
      return fail(ErrorKind::internal, std::move(message));
  }
}

}  // namespace anyvisor
