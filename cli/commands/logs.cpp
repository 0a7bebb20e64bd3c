// SPDX-License-Identifier: MIT
// anyvisor logs: what the guest wrote to its console, or what the programs behind it wrote.
#include <unistd.h>

#include <algorithm>
#include <anyvisor/json.hpp>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>
#include <utility>

#include "command.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr std::array options{
    Option{"source", 0, "console|vmm|anyvisor",
           "Whose: the guest's console, the VMM's messages or the plugin-host's (default: console)"},
    Option{"tail", 'n', "N", "Only the last N lines of what there is"},
    Option{"follow", 'f', nullptr, "Go on with what is written, until the machine stops or Ctrl-C"},
};

LogSource source_of(const std::string& word) {
  if (word == "vmm") return LogSource::vmm;
  return word == "console" ? LogSource::console : LogSource::anyvisor;
}

// Where the last `lines` lines begin. A last one without its end counts.
std::size_t tail_of(std::string_view text, unsigned lines) {
  std::size_t at = text.size();
  for (unsigned count = 0; at > 0; --at)
    if (text[at - 1] == '\n' && at != text.size() && ++count == lines) return at;
  return lines == 0 ? text.size() : 0;
}

// Prints a log that grows. What it prints goes only forward, also when the oldest part is dropped meanwhile.
class Follower {
 public:
  // `tail`: so many lines of what there is at first; none: all of it.
  Follower(const Session& session, std::optional<unsigned> tail)
      : session_(session), terminal_(::isatty(STDOUT_FILENO)), tail_(tail) {}

  void show(std::string text) {
    if (!text.starts_with(seen_)) {
      // Rotated: find the end of what was shown. Not there: all of it is new.
      const std::string tail = seen_.substr(seen_.size() - std::min<std::size_t>(seen_.size(), 4096));
      const auto place = text.find(tail);
      const std::size_t old = place == std::string::npos ? 0 : place + tail.size();
      shown_ = terminal_ ? plain_console(text.substr(0, old)).size() : old;
    }
    // The whole text is cleaned each time: an escape sequence may arrive in two parts.
    const std::string clean = terminal_ ? plain_console(text) : text;
    if (tail_) shown_ = tail_of(clean, *std::exchange(tail_, std::nullopt));
    session_.print(std::string_view(clean).substr(std::min(shown_, clean.size())));
    std::fflush(stdout);
    shown_ = clean.size();
    seen_ = std::move(text);
  }

 private:
  const Session& session_;
  const bool terminal_;
  std::optional<unsigned> tail_;
  std::string seen_;
  std::size_t shown_ = 0;
};

int follow(Session& session, const std::string& name, LogSource source, std::optional<unsigned> tail) {
  constexpr auto pause = std::chrono::milliseconds(200);
  Manager& manager = session.manager();
  Follower follower(session, tail);
  for (;;) {
    // The state first: what was written before it stopped must not be missed.
    const State state = value_of(manager.info(name)).state;
    follower.show(value_of(manager.log(name, source)));
    if (state == State::stopped || state == State::shutdown || std::ferror(stdout)) return 0;
    std::this_thread::sleep_for(pause);
  }
}

int run(Session& session, const Arguments& arguments) {
  // "host" is what the plugin-host's was called before.
  const std::string given = arguments.value("source");
  const std::string source =
      given == "host" ? "anyvisor" : arguments.choice("source", {"console", "vmm", "anyvisor"}, "console");
  std::optional<unsigned> tail;
  if (arguments.has("tail")) tail = arguments.number("tail", 0, 0);
  const std::string& name = arguments.positional().front();
  if (arguments.has("follow")) {
    if (session.structured()) throw UsageError("--follow shows text", "leave --format out");
    return follow(session, name, source_of(source), tail);
  }
  std::string text = value_of(session.manager().log(name, source_of(source)));
  if (tail) text.erase(0, tail_of(text, *tail));
  if (session.structured()) {
    json::Document document = json::make_object();
    json::set(document, document, "instance", name);
    json::set(document, document, "source", source);
    json::set(document, document, "text", valid_utf8(text));
    session.answer(json::render_pretty(document));
    return 0;
  }
  // Byte for byte, but a terminal does not get what a guest may have meant for it.
  session.print(::isatty(STDOUT_FILENO) ? plain_console(text) : text);
  return 0;
}

}  // namespace

extern const Command logs_command;
constinit const Command logs_command{
    "Instances",
    "logs",
    nullptr,
    "NAME",
    "Show what a guest wrote to its console, or the programs behind it",
    "On a terminal, escape sequences of the guest are left out; elsewhere the bytes are as written.",
    1,
    1,
    options,
    run};

}  // namespace anyvisor::cli
