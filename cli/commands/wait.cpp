// SPDX-License-Identifier: MIT
// anyvisor wait: until a guest has got so far.
#include "commands/wait.hpp"

#include <array>
#include <charconv>

#include "command.hpp"
#include "output/json.hpp"
#include "session.hpp"

namespace anyvisor::cli {

std::chrono::milliseconds duration(const Arguments& arguments, std::string_view option,
                                   std::chrono::milliseconds fallback) {
  if (!arguments.has(option)) return fallback;
  const std::string text = arguments.value(option);
  constexpr unsigned most = 10'000'000;  // seconds: a slip of the finger, and nothing overflows
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const unsigned factor = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc() || factor == 0 || number > most / factor)
    throw UsageError("--" + std::string(option) + " " + text + ": not a time",
                     "use whole seconds, or minutes and hours as 5m and 1h");
  return std::chrono::seconds(number * factor);
}

namespace {

WaitFor wait_for_of(const std::string& word) {
  if (word == "running") return WaitFor::running;
  if (word == "ssh") return WaitFor::ssh;
  if (word == "cloud-init") return WaitFor::cloud_init;
  return word == "stopped" ? WaitFor::stopped : WaitFor::automatic;
}

}  // namespace

WaitRequest read_wait(const Arguments& arguments, const std::string& usual) {
  WaitRequest request;
  request.condition = wait_for_of(arguments.choice("wait", {"running", "ssh", "cloud-init"}, usual));
  request.limit = duration(arguments, "timeout", request.limit);
  return request;
}

namespace {

constexpr std::array options{
    Option{"for", 'f', "running|ssh|cloud-init|stopped", "What to wait for (default: ssh)"},
    Option{"timeout", 't', "TIME", "Give up after so many seconds, or 5m, 1h; 0: never (default: 10m)"},
};

int run(Session& session, const Arguments& arguments) {
  WaitRequest request;
  const std::string condition = arguments.choice("for", {"running", "ssh", "cloud-init", "stopped"}, "ssh");
  request.condition = wait_for_of(condition);
  request.limit = duration(arguments, "timeout", request.limit);
  const std::string& name = arguments.positional().front();
  Manager& manager = session.manager();
  const auto done = value_of(session.perform(
      "waiting for " + name, [&](Operation& operation) { return manager.wait(name, request, operation); }));
  if (!done.warning.empty()) warn(done.warning, session.json());
  if (session.structured()) {
    json::Document document = json::make_object();
    json::set(document, document, "instance", name);
    json::set(document, document, "condition", condition);
    json::set(document, document, "warning", done.warning);
    session.answer(json::render_pretty(document));
  }
  return 0;
}

constexpr const char* details =
    "  running      the machine runs\n"
    "  ssh          a login over ssh works\n"
    "  cloud-init   cloud-init has finished; its errors are told and make the exit code\n"
    "  stopped      the guest is off\n"
    "\n"
    "Prints nothing. Ends at once when it cannot come about any more, because the guest has ended.";

}  // namespace

extern const Command wait_command;
constinit const Command wait_command{"Guests", "wait", nullptr, "NAME",  "Wait until a guest has got so far",
                                     details,  1,      1,       options, run};

}  // namespace anyvisor::cli
