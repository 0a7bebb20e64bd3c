// SPDX-License-Identifier: MIT
#include "errors.hpp"

#include <anyvisor/json.hpp>
#include <array>
#include <cstdio>
#include <vector>

#include "interrupt.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

struct ExitCode {
  ErrorKind kind;
  int code;
};

constexpr std::array exit_codes{
    ExitCode{ErrorKind::internal, 2},
    ExitCode{ErrorKind::not_found, 3},
    ExitCode{ErrorKind::already_exists, 4},
    ExitCode{ErrorKind::ambiguous, 5},
    ExitCode{ErrorKind::invalid_argument, 6},
    ExitCode{ErrorKind::invalid_state, 7},
    ExitCode{ErrorKind::unsupported, 8},
    ExitCode{ErrorKind::unavailable, 9},
    ExitCode{ErrorKind::busy, 10},
    ExitCode{ErrorKind::exhausted, 11},
    ExitCode{ErrorKind::not_ready, 12},
    ExitCode{ErrorKind::timeout, 13},
    ExitCode{ErrorKind::cancelled, 14},
    ExitCode{ErrorKind::corrupted, 15},
    ExitCode{ErrorKind::backend_failed, 16},
};

json::Value to_json(json::Document& document, const Error& error) {
  json::Value object(rapidjson::kObjectType);
  json::set(document, object, "kind", kind_name(error.kind));
  json::set(document, object, "message", valid_utf8(error.message));
  json::set(document, object, "field", valid_utf8(error.field));
  json::set(document, object, "hint", valid_utf8(error.hint));
  json::set(document, object, "retry", error.retry);
  if (error.cause) json::set_value(document, object, "cause", to_json(document, *error.cause));
  return object;
}

void print_json(json::Document& document, json::Value&& object, int code) {
  json::set(document, object, "exit_code", code);
  json::set_value(document, document, "error", std::move(object));
  std::fputs((json::render(document) + "\n").c_str(), stderr);
}

}  // namespace

int exit_code(ErrorKind kind) {
  for (const auto& entry : exit_codes)
    if (entry.kind == kind) return entry.code;
  return 2;
}

std::string exit_code_overview() {
  std::string text = "0 success, 1 wrong use";
  for (const auto& entry : exit_codes)
    text += ", " + std::to_string(entry.code) + " " + std::string(kind_name(entry.kind));
  return text + ", 130 interrupted";
}

int report(const Error& error, bool json, int code, bool verbose) {
  // Cancelled by a signal: as a shell expects it.
  const int number = error.kind == ErrorKind::cancelled ? interrupted_by() : 0;
  if (code == 0) code = number != 0 ? 128 + number : exit_code(error.kind);
  if (json) {
    json::Document document = json::make_object();
    print_json(document, to_json(document, error), code);
    return code;
  }
  std::string text = "error: " + one_line(error.message) + "\n";
  if (verbose) {
    for (const Error* cause = error.cause.get(); cause; cause = cause->cause.get())
      text += "because: " + one_line(cause->message) + " (" + std::string(kind_name(cause->kind)) + ")\n";
  } else if (error.cause && error.message.find(error.cause->message) == std::string::npos) {
    text += "because: " + one_line(error.cause->message) + "\n";
  }
  if (!error.hint.empty()) text += "hint: " + one_line(error.hint) + "\n";
  std::fputs(text.c_str(), stderr);
  return code;
}

int report(const UsageError& error, bool json, int code) {
  if (code == 0) code = exit_usage;
  if (json) {
    json::Document document = json::make_object();
    json::Value object(rapidjson::kObjectType);
    json::set(document, object, "kind", "usage");
    json::set(document, object, "message", valid_utf8(error.message));
    json::set(document, object, "hint", valid_utf8(error.hint));
    print_json(document, std::move(object), code);
    return code;
  }
  std::string text = "error: " + one_line(error.message) + "\n";
  if (!error.hint.empty()) text += "hint: " + one_line(error.hint) + "\n";
  std::fputs(text.c_str(), stderr);
  return code;
}

void warn(const std::string& message, bool json) {
  if (!json) std::fputs(("warning: " + one_line(message) + "\n").c_str(), stderr);
}

}  // namespace anyvisor::cli
