// SPDX-License-Identifier: MIT
// anyvisor copy: files into guests and out of them.
#include "commands/copy.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>

#include "command.hpp"
#include "commands/via.hpp"
#include "forward_signals.hpp"
#include "session.hpp"

namespace anyvisor::cli {

CopyPlace parse_place(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || text.find('/') < colon) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

// One of the two is "-": the other names a file in a guest, and a command there reads or writes it.
int copy_stream(Session& session, const std::string& from, const std::string& to, Via via) {
  const CopyPlace place = parse_place(from == "-" ? to : from);
  if (place.instance.empty() || place.path.empty())
    throw UsageError("with '-', the other end names a file in a guest", "for instance: anyvisor copy - web:notes.txt");
  ExecRequest request;
  request.via = via;
  if (from == "-") {
    request.command = {"sh", "-c", "cat >\"$1\"", "sh", place.path};
    request.stdin_fd = STDIN_FILENO;
  } else {
    request.command = {"cat", "--", place.path};
    request.stdout_fd = STDOUT_FILENO;
  }
  request.stderr_fd = STDERR_FILENO;
  Manager& manager = session.manager();
  const ForwardSignals signals;
  request.signals_fd = signals.fd();
  Operation operation;
  const int code = value_of(manager.exec(place.instance, request, operation));
  if (code == 0 || code >= 128) return code;
  Error error;
  error.kind = ErrorKind::unavailable;
  error.message = "the guest of \"" + place.instance + "\" could not " + (from == "-" ? "write" : "read") + " \"" +
                  place.path + "\"; its words stand above";
  throw Failed(std::move(error));
}

int run(Session& session, const Arguments& arguments) {
  auto words = arguments.positional();
  if (std::ranges::find(words, "-") != words.end()) {
    if (words.size() != 2 || arguments.has("recursive"))
      throw UsageError("'-', standard input or output, goes alone with one file in a guest", "leave the others out");
    return copy_stream(session, words[0], words[1], read_via(arguments));
  }
  CopyRequest request;
  request.recursive = arguments.has("recursive");
  request.via = read_via(arguments);
  request.destination = parse_place(words.back());
  words.pop_back();
  for (const auto& word : words) request.sources.push_back(parse_place(word));
  // scp draws its own progress, in the foreground of a terminal.
  const bool draws =
      !session.quiet() && !session.structured() && ::isatty(STDERR_FILENO) && ::tcgetpgrp(STDERR_FILENO) == ::getpgrp();
  if (draws) request.progress_fd = STDERR_FILENO;
  Manager& manager = session.manager();
  // No spinner of ours where scp draws.
  Operation operation;
  const Interruptible interruptible;
  operation.cancel_fd = interruptible.cancel_fd();
  value_of(manager.copy(request, operation));
  return 0;
}

constexpr std::array options{
    Option{"recursive", 'r', nullptr, "Copy folders with all that is in them"},
    via_option,
};

constexpr const char* details =
    "A place in a guest is NAME:PATH, relative to its user's home; one of the places is in a guest, or two are.\n"
    "Paths are taken as they are, without wildcards. A single '-' is standard input or output.\n"
    "\n"
    "  anyvisor copy notes.txt web:\n"
    "  anyvisor copy -r web:/var/log/nginx ./logs\n"
    "  tar c . | anyvisor copy - web:/tmp/all.tar";

}  // namespace

extern const Command copy_command;
constinit const Command copy_command{
    "Guests",   "copy",  "transfer", "SOURCE... DESTINATION", "Copy files into a guest, or out of it", details, 2,
    any_number, options, run};

}  // namespace anyvisor::cli
