// SPDX-License-Identifier: MIT
// anyvisor logs: what the guest wrote to its console, or what the programs behind it wrote.
#include <unistd.h>

#include <algorithm>
#include <anyvisor/json.hpp>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>

#include "command.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr std::array options{
    Option{"follow", 'f', nullptr, "Go on with what the guest writes, until it stops or Ctrl-C"},
    Option{"source", 0, "console|vmm|host",
           "Whose: the guest's console, the VMM's messages or the plugin-host's (default: console)"},
};

std::string read_log(Manager& manager, const std::string& name, const std::string& source) {
  if (source == "console") return value_of(manager.console_log(name));
  const InstanceInfo info = value_of(manager.info(name));
  // A log that nobody wrote to yet is empty, not an error.
  std::ifstream file(source == "vmm" ? info.vmm_log : info.host_log, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Prints a console that grows. What it prints goes only forward, also when the oldest part is dropped meanwhile.
class Follower {
 public:
  explicit Follower(const Session& session) : session_(session), terminal_(::isatty(STDOUT_FILENO)) {}

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
    session_.print(std::string_view(clean).substr(std::min(shown_, clean.size())));
    std::fflush(stdout);
    shown_ = clean.size();
    seen_ = std::move(text);
  }

 private:
  const Session& session_;
  const bool terminal_;
  std::string seen_;
  std::size_t shown_ = 0;
};

int follow(Session& session, const std::string& name) {
  constexpr auto pause = std::chrono::milliseconds(200);
  Manager& manager = session.manager();
  Follower follower(session);
  for (;;) {
    // The state first: what the guest wrote before it stopped must not be missed.
    const State state = value_of(manager.info(name)).state;
    follower.show(value_of(manager.console_log(name)));
    if (state == State::stopped || state == State::shutdown || std::ferror(stdout)) return 0;
    std::this_thread::sleep_for(pause);
  }
}

int run(Session& session, const Arguments& arguments) {
  const std::string source = arguments.choice("source", {"console", "vmm", "host"}, "console");
  const std::string& name = arguments.positional().front();
  if (arguments.has("follow")) {
    if (session.json() || source != "console")
      throw UsageError("--follow shows the console, as text", "leave --format and --source out");
    return follow(session, name);
  }
  const std::string text = read_log(session.manager(), name, source);
  if (session.json()) {
    json::Document document = json::make_object();
    json::set(document, document, "instance", name);
    json::set(document, document, "source", source);
    json::set(document, document, "text", valid_utf8(text));
    session.print(json::render_pretty(document));
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
    "Show what an instance wrote to its console",
    "On a terminal, escape sequences of the guest are left out; elsewhere the bytes are as written.",
    1,
    1,
    options,
    run};

}  // namespace anyvisor::cli
